#include <fmt/core.h>

#include <algorithm>

#include <tutti/io/detail/shard.hpp>
#include <tutti/io/detail/shard_links.hpp>
#include <tutti/io/files.hpp>
#include <tutti/kernels/crc32c.hpp>
#include <tutti/kernels/error.hpp>

namespace tutti::io {

namespace {

std::string joined_names(const std::vector<Field>& fields) {
  std::string names;
  for (const Field& field : fields) names += (names.empty() ? "" : " ") + field.name;
  return names;
}

// Elements of a sparse field are stored in chunks of so many: 16 KiB of columns.
constexpr hsize_t kElementChunk = 4096;

// More than the metadata of a shard takes, where chunks need no index: it is laid out as one block at the beginning of
// the file.
hsize_t metadata_bytes(const ShardHeader& header) {
  hsize_t bytes = 1536 + header.dataset.size();
  for (const Field& field : header.fields)
    bytes += (field.sparse ? 2048 : 768) + 5 * field.name.size() + 32 * field.shape.size();
  for (const std::string& dataset : header.links.datasets) bytes += 512 + header.links.file.size() + dataset.size();
  return bytes + header.links.absolute.size();
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
  storage_ = std::make_unique<DiskStorage>(disk_.path(), file_);
  const h5::Id access = h5::write_access(file_);
  h5::use_storage(access.get(), *storage_, file_);
  h5::require(H5Pset_meta_block_size(access.get(), metadata_bytes(header_)), file_, "cannot be created");
  const h5::Id creation = h5::object_properties(H5P_FILE_CREATE, file_);
  root_ = h5::own(H5Fcreate(file_.c_str(), H5F_ACC_TRUNC, creation.get(), access.get()), H5Fclose, file_,
                  "cannot be created");
  const hid_t root = root_.get();
  const bool linked = !header_.links.datasets.empty();
  const std::uint64_t version = schema_version(header_.fields, header_.compression, linked);
  h5::write_attribute(root, "tutti_format", kShardFormat, file_);
  h5::write_attribute(root, "schema_version", version, file_);
  h5::write_attribute(root, "dataset", header_.dataset, file_);
  h5::write_attribute(root, "dataset_samples", header_.dataset_samples, file_);
  h5::write_attribute(root, "classes", header_.classes, file_);
  h5::write_attribute(root, "fields", joined_names(header_.fields), file_);
  h5::write_attribute(root, "shard", header_.shard, file_);
  h5::write_attribute(root, "shards", header_.shards, file_);
  h5::write_attribute(root, "first_sample", header_.first_sample, file_);
  h5::write_attribute(root, "samples", header_.samples, file_);
  h5::write_attribute(root, "chunk_samples", header_.chunk_samples, file_);
  if (version >= 2) h5::write_attribute(root, "compression", name(header_.compression), file_);

  create_fields();
  const h5::Id checksums = h5::create_group(root, "checksums", file_);
  for (std::size_t f = 0; f < layouts_.size(); ++f) create_checksums(f, checksums.get());
  storage_->require_written();
}

void ShardWriter::create_fields() {
  const h5::Id group = h5::create_group(root_.get(), "fields", file_);
  for (std::size_t f = 0; f < header_.fields.size(); ++f) {
    const Field& field = header_.fields[f];
    if (header_.links.linked(f)) {
      write_link(root_.get(), group.get(), header_, f, file_);
      layouts_.push_back(
          {.parts = {}, .checksums = {}, .crc32c = std::vector<std::uint32_t>(header_.chunks()), .next = 0});
    } else if (field.sparse) {
      create_sparse_field(field, group.get());
    } else {
      create_field(field, group.get());
    }
  }
}

// An extent of 0 is one without limit, of elements.
ChunkWriter ShardWriter::create_part(hid_t group, const char* name, hid_t type, std::size_t element_bytes,
                                     const std::vector<hsize_t>& extent, const std::string& what) {
  const bool limited = extent.front() > 0;
  std::vector<hsize_t> most = extent;
  std::vector<hsize_t> chunk = extent;
  if (!limited) most.front() = H5S_UNLIMITED;
  chunk.front() = limited ? header_.chunk_samples : kElementChunk;
  const int rank = static_cast<int>(extent.size());
  const std::string failure = "cannot create " + what;

  const h5::Id properties = h5::object_properties(H5P_DATASET_CREATE, file_);
  h5::require(H5Pset_chunk(properties.get(), rank, chunk.data()), file_, failure);
  // Space for all chunks at once, in order: HDF5 then needs no index, and every chunk has its address from the start.
  if (limited && header_.compression == Compression{})
    h5::require(H5Pset_alloc_time(properties.get(), H5D_ALLOC_TIME_EARLY), file_, failure);
  h5::require(H5Pset_fill_time(properties.get(), H5D_FILL_TIME_NEVER), file_, failure);
  set_filters(properties.get(), header_.compression, file_);
  const h5::Id space = h5::own(H5Screate_simple(rank, extent.data(), most.data()), H5Sclose, file_, failure);
  h5::Id dataset = h5::own(H5Dcreate2(group, name, type, space.get(), H5P_DEFAULT, properties.get(), H5P_DEFAULT),
                           H5Dclose, file_, failure);
  std::size_t chunk_bytes = element_bytes;
  for (const hsize_t size : chunk) chunk_bytes *= size;
  return {std::move(dataset), header_.compression, element_bytes, chunk.front(), chunk_bytes, what};
}

void ShardWriter::create_field(const Field& field, hid_t group) {
  std::vector<hsize_t> extent{header_.samples};
  extent.insert(extent.end(), field.shape.begin(), field.shape.end());
  Layout layout{.parts = {}, .checksums = {}, .crc32c = std::vector<std::uint32_t>(header_.chunks()), .next = 0};
  layout.parts.push_back(create_part(group, field.name.c_str(), h5::file_type(field.dtype), size_of(field.dtype),
                                     extent, fmt::format("field '{}'", field.name)));
  h5::write_attribute(layout.parts.front().dataset(), "dtype", std::string(name(field.dtype)), file_);
  layouts_.push_back(std::move(layout));
}

void ShardWriter::create_sparse_field(const Field& field, hid_t group) {
  const h5::Id own_group = h5::create_group(group, field.name.c_str(), file_);
  h5::write_attribute(own_group.get(), "dtype", std::string(name(field.dtype)), file_);
  h5::write_attribute(own_group.get(), "width", field.shape.front(), file_);
  Layout layout{.parts = {}, .checksums = {}, .crc32c = std::vector<std::uint32_t>(header_.chunks()), .next = 0};
  layout.parts.reserve(3);
  const auto add = [&](const char* part, DType dtype, hsize_t extent) {
    layout.parts.push_back(create_part(own_group.get(), part, h5::file_type(dtype), size_of(dtype), {extent},
                                       fmt::format("{} of field '{}'", part, field.name)));
  };
  add(kRowEnds, DType::u64, header_.samples);
  add(kColumns, DType::u32, 0);
  add(kValues, field.dtype, 0);
  layouts_.push_back(std::move(layout));
}

void ShardWriter::create_checksums(std::size_t field, hid_t group) {
  const char* what = "cannot create the checksums";
  const h5::Id properties = h5::object_properties(H5P_DATASET_CREATE, file_);
  h5::require(H5Pset_alloc_time(properties.get(), H5D_ALLOC_TIME_EARLY), file_, what);
  h5::require(H5Pset_fill_time(properties.get(), H5D_FILL_TIME_NEVER), file_, what);
  const hsize_t chunks = header_.chunks();
  const h5::Id space = h5::own(H5Screate_simple(1, &chunks, nullptr), H5Sclose, file_, what);
  layouts_[field].checksums = h5::own(H5Dcreate2(group, header_.fields[field].name.c_str(), H5T_STD_U32LE, space.get(),
                                                 H5P_DEFAULT, properties.get(), H5P_DEFAULT),
                                      H5Dclose, file_, what);
}

void ShardWriter::write_chunk(std::uint64_t chunk, std::size_t field, std::span<const std::byte> samples) {
  const Field& description = header_.fields[field];
  if (description.sparse || chunk >= header_.chunks() ||
      samples.size() != header_.samples_in_chunk(chunk) * description.sample_bytes())
    throw InvalidArgument(fmt::format("{}: chunk {} of field '{}' does not have {} bytes", file_.string(), chunk,
                                      description.name, samples.size()));
  layouts_[field].crc32c[chunk] = crc32c(samples);
  if (!header_.links.linked(field)) layouts_[field].parts.front().write(chunk, samples, *storage_, file_);
}

void ShardWriter::write_sparse_chunk(std::uint64_t chunk, std::size_t field, const SparseRows& rows) {
  const Field& description = header_.fields[field];
  Layout& layout = layouts_[field];
  if (!description.sparse || chunk >= header_.chunks() || chunk != layout.next ||
      rows.row_ends.size() != header_.samples_in_chunk(chunk))
    throw InvalidArgument(fmt::format("{}: chunk {} of field '{}' does not follow, or has not {} rows", file_.string(),
                                      chunk, description.name, rows.row_ends.size()));
  std::vector<std::uint64_t> row_ends = rows.row_ends;
  for (std::uint64_t& end : row_ends) end += layout.parts[1].elements();
  layout.crc32c[chunk] = sparse_checksum(row_ends, rows.columns, rows.values);
  layout.parts[0].write(chunk, std::as_bytes(std::span(row_ends)), *storage_, file_);
  layout.parts[1].append(std::as_bytes(std::span(rows.columns)), *storage_, file_);
  layout.parts[2].append(rows.values, *storage_, file_);
  ++layout.next;
}

void ShardWriter::finish() {
  header_.checksum = 0;
  for (Layout& layout : layouts_)
    for (ChunkWriter& part : layout.parts) part.flush(*storage_, file_);
  const h5::Session session;
  for (Layout& layout : layouts_) {
    header_.checksum = crc32c(std::as_bytes(std::span(layout.crc32c)), header_.checksum);
    const herr_t status =
        H5Dwrite(layout.checksums.get(), H5T_NATIVE_UINT32, H5S_ALL, H5S_ALL, H5P_DEFAULT, layout.crc32c.data());
    storage_->require_written();
    h5::require(status, file_, "the checksums cannot be written");
    for (ChunkWriter& part : layout.parts) part.close(file_);
    if (!layout.checksums.close()) h5::fail(file_, "cannot be built");
  }
  h5::write_attribute(root_.get(), "checksum", header_.checksum, file_);
  const bool closed = root_.close();
  storage_->require_written();
  if (!closed) h5::fail(file_, "cannot be built");
  layouts_.clear();
  disk_.finish(storage_->final_size());
  storage_.reset();
  require_read_back();
}

void ShardWriter::require_read_back() const {
  if (ShardReader(disk_.path()).header() != header_) h5::fail(file_, "is not read back as it was written");
}

void ShardWriter::set_classes(std::size_t classes) {
  const char* what = "the number of classes cannot be written";
  header_.classes = classes;
  const std::string invalid = describe_invalid_fields(header_.fields, classes);
  if (!invalid.empty()) throw InvalidArgument(fmt::format("{}: {}", file_.string(), invalid));
  {
    DiskStorage storage(disk_.path(), file_);
    const h5::Session session;
    {
      const h5::Id access = h5::write_access(file_);
      h5::use_storage(access.get(), storage, file_);
      const h5::Id root = h5::own(H5Fopen(file_.c_str(), H5F_ACC_RDWR, access.get()), H5Fclose, file_, what);
      const h5::Id attribute = h5::own(H5Aopen(root.get(), "classes", H5P_DEFAULT), H5Aclose, file_, what);
      const std::uint64_t value = classes;
      h5::require(H5Awrite(attribute.get(), H5T_NATIVE_UINT64, &value), file_, what);
    }
    storage.require_written();
  }
  sync_file(disk_.path());
  require_read_back();
}

}  // namespace tutti::io
