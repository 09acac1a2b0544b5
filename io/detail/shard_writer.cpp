#include <fmt/core.h>

#include <algorithm>

#include <tutti/io/detail/shard.hpp>
#include <tutti/kernels/crc32c.hpp>
#include <tutti/kernels/error.hpp>

namespace tutti::io {

namespace {

std::string joined_names(const std::vector<Field>& fields) {
  std::string names;
  for (const Field& field : fields) names += (names.empty() ? "" : " ") + field.name;
  return names;
}

// Attributes and links stay in the object headers, however many there are: less room than HDF5's heaps and trees.
h5::Id object_properties(hid_t property_class, const std::filesystem::path& file) {
  h5::Id properties = h5::own(H5Pcreate(property_class), H5Pclose, file, "cannot be created");
  // Without times the same samples give the same file, byte for byte.
  h5::require(H5Pset_obj_track_times(properties.get(), false), file, "cannot be created");
  h5::require(H5Pset_attr_phase_change(properties.get(), 1000, 0), file, "cannot be created");
  if (H5Pisa_class(properties.get(), H5P_GROUP_CREATE) > 0)
    h5::require(H5Pset_link_phase_change(properties.get(), 1000, 0), file, "cannot be created");
  return properties;
}

h5::Id create_group(hid_t root, const char* name, const std::filesystem::path& file) {
  const h5::Id properties = object_properties(H5P_GROUP_CREATE, file);
  const std::string what = fmt::format("cannot create group '{}'", name);
  return h5::own(H5Gcreate2(root, name, H5P_DEFAULT, properties.get(), H5P_DEFAULT), H5Gclose, file, what);
}

// More than the metadata of a shard takes: it is laid out as one block at the beginning of the file.
hsize_t metadata_bytes(const ShardHeader& header) {
  hsize_t bytes = 1536 + header.dataset.size();
  for (const Field& field : header.fields) bytes += 768 + 5 * field.name.size() + 32 * field.shape.size();
  return bytes;
}

}  // namespace

ShardWriter::ShardWriter(std::filesystem::path file, ShardHeader header)
    : file_(std::move(file)), header_(std::move(header)), disk_(file_, Writers::one) {
  const std::string invalid = describe_invalid_fields(header_.fields, header_.classes);
  if (!invalid.empty()) throw InvalidArgument(fmt::format("{}: {}", file_.string(), invalid));
  if (header_.samples == 0 || header_.chunk_samples == 0)
    throw InvalidArgument(fmt::format("{}: a shard and its chunks hold at least one sample", file_.string()));
  const h5::Session session;
  try {
    create();
  } catch (...) {
    close();
    throw;
  }
}

ShardWriter::~ShardWriter() { close(); }

void ShardWriter::close() noexcept {
  const h5::Session session;
  layouts_.clear();
  root_.close();
}

void ShardWriter::create() {
  const h5::Id access = h5::write_access(file_);
  h5::require(H5Pset_fapl_core(access.get(), std::size_t{64} << 10, false), file_, "cannot be created");
  h5::require(H5Pset_meta_block_size(access.get(), metadata_bytes(header_)), file_, "cannot be created");
  image_.attach(access.get(), file_);
  const h5::Id creation = object_properties(H5P_FILE_CREATE, file_);
  root_ = h5::own(H5Fcreate(file_.c_str(), H5F_ACC_TRUNC, creation.get(), access.get()), H5Fclose, file_,
                  "cannot be created");
  const hid_t root = root_.get();
  h5::write_attribute(root, "tutti_format", kShardFormat, file_);
  h5::write_attribute(root, "schema_version", schema_version(header_.compression), file_);
  h5::write_attribute(root, "dataset", header_.dataset, file_);
  h5::write_attribute(root, "dataset_samples", header_.dataset_samples, file_);
  h5::write_attribute(root, "classes", header_.classes, file_);
  h5::write_attribute(root, "fields", joined_names(header_.fields), file_);
  h5::write_attribute(root, "shard", header_.shard, file_);
  h5::write_attribute(root, "shards", header_.shards, file_);
  h5::write_attribute(root, "first_sample", header_.first_sample, file_);
  h5::write_attribute(root, "samples", header_.samples, file_);
  h5::write_attribute(root, "chunk_samples", header_.chunk_samples, file_);

  const h5::Id fields = create_group(root, "fields", file_);
  for (const Field& field : header_.fields) create_field(field, fields.get());
  const h5::Id checksums = create_group(root, "checksums", file_);
  metadata_end_ = address(0, 0);
  for (std::size_t f = 0; f < layouts_.size(); ++f) {
    create_checksums(f, checksums.get());
    metadata_end_ = std::min({metadata_end_, address(0, f), layouts_[f].checksums});
  }
}

void ShardWriter::create_field(const Field& field, hid_t group) {
  const std::string what = fmt::format("cannot create field '{}'", field.name);
  std::vector<hsize_t> extent{header_.samples};
  extent.insert(extent.end(), field.shape.begin(), field.shape.end());
  std::vector<hsize_t> chunk = extent;
  chunk[0] = header_.chunk_samples;
  const int rank = static_cast<int>(extent.size());

  const h5::Id properties = object_properties(H5P_DATASET_CREATE, file_);
  h5::require(H5Pset_chunk(properties.get(), rank, chunk.data()), file_, what);
  // Space for all chunks at once, in order: HDF5 then needs no index, and every chunk has its address from the start.
  h5::require(H5Pset_alloc_time(properties.get(), H5D_ALLOC_TIME_EARLY), file_, what);
  h5::require(H5Pset_fill_time(properties.get(), H5D_FILL_TIME_NEVER), file_, what);
  const h5::Id space = h5::own(H5Screate_simple(rank, extent.data(), nullptr), H5Sclose, file_, what);
  h5::Id dataset = h5::own(H5Dcreate2(group, field.name.c_str(), h5::file_type(field.dtype), space.get(), H5P_DEFAULT,
                                      properties.get(), H5P_DEFAULT),
                           H5Dclose, file_, what);
  h5::write_attribute(dataset.get(), "dtype", std::string(name(field.dtype)), file_);
  layouts_.push_back(
      {.dataset = std::move(dataset), .checksums = 0, .crc32c = std::vector<std::uint32_t>(header_.chunks())});
}

void ShardWriter::create_checksums(std::size_t field, hid_t group) {
  const char* what = "cannot create the checksums";
  const h5::Id properties = object_properties(H5P_DATASET_CREATE, file_);
  h5::require(H5Pset_alloc_time(properties.get(), H5D_ALLOC_TIME_EARLY), file_, what);
  h5::require(H5Pset_fill_time(properties.get(), H5D_FILL_TIME_NEVER), file_, what);
  const hsize_t chunks = header_.chunks();
  const h5::Id space = h5::own(H5Screate_simple(1, &chunks, nullptr), H5Sclose, file_, what);
  const h5::Id table = h5::own(H5Dcreate2(group, header_.fields[field].name.c_str(), H5T_STD_U32LE, space.get(),
                                          H5P_DEFAULT, properties.get(), H5P_DEFAULT),
                               H5Dclose, file_, what);
  const haddr_t offset = H5Dget_offset(table.get());
  if (offset == HADDR_UNDEF) h5::fail(file_, what);
  layouts_[field].checksums = offset;
}

std::uint64_t ShardWriter::address(std::uint64_t chunk, std::size_t field) const {
  std::vector<hsize_t> offset(header_.fields[field].shape.size() + 1, 0);
  offset[0] = chunk * header_.chunk_samples;
  haddr_t address = HADDR_UNDEF;
  hsize_t size = 0;
  const hid_t dataset = layouts_[field].dataset.get();
  if (H5Dget_chunk_info_by_coord(dataset, offset.data(), nullptr, &address, &size) < 0 || address == HADDR_UNDEF)
    h5::fail(file_, fmt::format("chunk {} of field '{}' has no place", chunk, header_.fields[field].name));
  return address;
}

void ShardWriter::write_chunk(std::uint64_t chunk, std::size_t field, std::span<const std::byte> samples) {
  const Field& description = header_.fields[field];
  const std::size_t sample_bytes = description.sample_bytes();
  if (chunk >= header_.chunks() || samples.size() != header_.samples_in_chunk(chunk) * sample_bytes)
    throw InvalidArgument(fmt::format("{}: chunk {} of field '{}' does not have {} bytes", file_.string(), chunk,
                                      description.name, samples.size()));
  layouts_[field].crc32c[chunk] = crc32c(samples);
  const std::size_t chunk_bytes = header_.chunk_samples * sample_bytes;
  if (samples.size() < chunk_bytes) {
    padded_.assign(chunk_bytes, std::byte{0});
    std::copy(samples.begin(), samples.end(), padded_.begin());
    samples = padded_;
  }
  const h5::Session session;
  disk_.write(address(chunk, field), samples);
}

void ShardWriter::finish() {
  const h5::Session session;
  header_.checksum = 0;
  for (Layout& layout : layouts_) {
    const auto table = std::as_bytes(std::span(layout.crc32c));
    disk_.write(layout.checksums, table);
    header_.checksum = crc32c(table, header_.checksum);
    if (!layout.dataset.close()) h5::fail(file_, "cannot be built");
  }
  h5::write_attribute(root_.get(), "checksum", header_.checksum, file_);
  if (!root_.close()) h5::fail(file_, "cannot be built");
  disk_.write(0, image_.head(metadata_end_, file_));
  disk_.finish(image_.file_size(file_));
  // Metadata that found no room at the beginning of the file would be missing now.
  if (ShardReader(disk_.path()).header() != header_) h5::fail(file_, "is not read back as it was written");
}

void ShardWriter::set_classes(std::size_t classes) {
  const char* what = "the number of classes cannot be written";
  header_.classes = classes;
  const std::string invalid = describe_invalid_fields(header_.fields, classes);
  if (!invalid.empty()) throw InvalidArgument(fmt::format("{}: {}", file_.string(), invalid));
  const h5::Session session;
  {
    const h5::Id access = h5::write_access(file_);
    h5::Id root = h5::own(H5Fopen(disk_.path().c_str(), H5F_ACC_RDWR, access.get()), H5Fclose, file_, what);
    const h5::Id attribute = h5::own(H5Aopen(root.get(), "classes", H5P_DEFAULT), H5Aclose, file_, what);
    const std::uint64_t value = classes;
    h5::require(H5Awrite(attribute.get(), H5T_NATIVE_UINT64, &value), file_, what);
  }
  sync_file(disk_.path());
  if (ShardReader(disk_.path()).header() != header_) h5::fail(file_, "is not read back as it was written");
}

}  // namespace tutti::io
