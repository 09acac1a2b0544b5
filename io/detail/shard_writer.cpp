#include <fmt/core.h>

#include <unistd.h>

#include <tutti/io/detail/files.hpp>
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

h5::Id object_properties(hid_t property_class, const std::filesystem::path& file) {
  h5::Id properties = h5::own(H5Pcreate(property_class), H5Pclose, file, "cannot be written");
  // Without times the same samples give the same file, byte for byte.
  h5::require(H5Pset_obj_track_times(properties.get(), false), file, "cannot be written");
  return properties;
}

}  // namespace

ShardWriter::ShardWriter(std::filesystem::path file, ShardHeader header)
    : file_(std::move(file)), temporary_(temporary_name(file_)), header_(std::move(header)) {
  const std::string invalid = describe_invalid_fields(header_.fields, header_.classes);
  if (!invalid.empty()) throw InvalidArgument(fmt::format("{}: {}", file_.string(), invalid));
  if (header_.samples == 0 || header_.chunk_samples == 0)
    throw InvalidArgument(fmt::format("{}: a shard and its chunks hold at least one sample", file_.string()));
  const h5::Session session;
  try {
    create();
  } catch (...) {
    datasets_.clear();
    root_.close();
    ::unlink(temporary_.c_str());
    throw;
  }
}

ShardWriter::~ShardWriter() {
  const h5::Session session;
  datasets_.clear();
  root_.close();
  if (!published_) ::unlink(temporary_.c_str());
}

void ShardWriter::create() {
  const h5::Id access = h5::write_access(file_);
  const h5::Id creation = object_properties(H5P_FILE_CREATE, file_);
  root_ = h5::own(H5Fcreate(temporary_.c_str(), H5F_ACC_TRUNC, creation.get(), access.get()), H5Fclose, file_,
                  "cannot be created");
  const hid_t root = root_.get();
  h5::write_attribute(root, "tutti_format", kShardFormat, file_);
  h5::write_attribute(root, "schema_version", kSchemaVersion, file_);
  h5::write_attribute(root, "dataset", header_.dataset, file_);
  h5::write_attribute(root, "dataset_samples", header_.dataset_samples, file_);
  h5::write_attribute(root, "classes", header_.classes, file_);
  h5::write_attribute(root, "fields", joined_names(header_.fields), file_);
  h5::write_attribute(root, "shard", header_.shard, file_);
  h5::write_attribute(root, "shards", header_.shards, file_);
  h5::write_attribute(root, "first_sample", header_.first_sample, file_);
  h5::write_attribute(root, "samples", header_.samples, file_);
  h5::write_attribute(root, "chunk_samples", header_.chunk_samples, file_);

  const h5::Id group =
      h5::own(H5Gcreate2(root, "fields", H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT), H5Gclose, file_, "cannot be written");
  for (const Field& field : header_.fields) create_field(field, group.get());
  checksums_.assign(header_.fields.size(), std::vector<std::uint32_t>(header_.chunks()));
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
  // Space for all chunks at once, in order: HDF5 then needs no index, and the file is as large as it will get.
  h5::require(H5Pset_alloc_time(properties.get(), H5D_ALLOC_TIME_EARLY), file_, what);
  h5::require(H5Pset_fill_time(properties.get(), H5D_FILL_TIME_NEVER), file_, what);
  const h5::Id space = h5::own(H5Screate_simple(rank, extent.data(), nullptr), H5Sclose, file_, what);
  datasets_.push_back(h5::own(H5Dcreate2(group, field.name.c_str(), h5::file_type(field.dtype), space.get(),
                                         H5P_DEFAULT, properties.get(), H5P_DEFAULT),
                              H5Dclose, file_, what));
  h5::write_attribute(datasets_.back().get(), "dtype", std::string(name(field.dtype)), file_);
}

void ShardWriter::write_chunk(std::uint64_t chunk, std::size_t field, std::span<const std::byte> samples) {
  const Field& description = header_.fields[field];
  const std::size_t sample_bytes = description.sample_bytes();
  if (chunk >= header_.chunks() || samples.size() != header_.samples_in_chunk(chunk) * sample_bytes)
    throw InvalidArgument(fmt::format("{}: chunk {} of field '{}' does not have {} bytes", file_.string(), chunk,
                                      description.name, samples.size()));
  checksums_[field][chunk] = crc32c(samples);
  const std::size_t chunk_bytes = header_.chunk_samples * sample_bytes;
  if (samples.size() < chunk_bytes) {
    padded_.assign(chunk_bytes, std::byte{0});
    std::copy(samples.begin(), samples.end(), padded_.begin());
    samples = padded_;
  }
  std::vector<hsize_t> offset(description.shape.size() + 1, 0);
  offset[0] = chunk * header_.chunk_samples;
  const h5::Session session;
  h5::require(H5Dwrite_chunk(datasets_[field].get(), H5P_DEFAULT, 0, offset.data(), samples.size(), samples.data()),
              file_, fmt::format("cannot write chunk {} of field '{}'", chunk, description.name));
}

void ShardWriter::write_checksums() {
  const char* what = "cannot write the checksums";
  const h5::Id group =
      h5::own(H5Gcreate2(root_.get(), "checksums", H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT), H5Gclose, file_, what);
  const h5::Id properties = object_properties(H5P_DATASET_CREATE, file_);
  const hsize_t chunks = header_.chunks();
  const h5::Id space = h5::own(H5Screate_simple(1, &chunks, nullptr), H5Sclose, file_, what);
  header_.checksum = 0;
  for (std::size_t f = 0; f < header_.fields.size(); ++f) {
    const h5::Id table = h5::own(H5Dcreate2(group.get(), header_.fields[f].name.c_str(), H5T_STD_U32LE, space.get(),
                                            H5P_DEFAULT, properties.get(), H5P_DEFAULT),
                                 H5Dclose, file_, what);
    h5::require(H5Dwrite(table.get(), H5T_NATIVE_UINT32, H5S_ALL, H5S_ALL, H5P_DEFAULT, checksums_[f].data()), file_,
                what);
    header_.checksum = crc32c(std::as_bytes(std::span(checksums_[f])), header_.checksum);
  }
  h5::write_attribute(root_.get(), "checksum", header_.checksum, file_);
}

void ShardWriter::finish() {
  const h5::Session session;
  write_checksums();
  for (h5::Id& dataset : datasets_)
    if (!dataset.close()) h5::fail(file_, "cannot be written");
  h5::require(H5Fflush(root_.get(), H5F_SCOPE_GLOBAL), file_, "cannot be written");
  if (!root_.close()) h5::fail(file_, "cannot be closed");
}

void ShardWriter::publish() {
  tutti::io::publish(temporary_, file_);
  published_ = true;
}

}  // namespace tutti::io
