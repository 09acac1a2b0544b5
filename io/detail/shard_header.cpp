// What a shard says of itself, read and found to make sense.
#include <fmt/core.h>

#include <sstream>
#include <utility>

#include <tutti/io/detail/shard.hpp>
#include <tutti/io/detail/shard_header.hpp>
#include <tutti/io/detail/shard_links.hpp>
#include <tutti/kernels/error.hpp>

namespace tutti::io {

namespace {

namespace fs = std::filesystem;

// The counts, without fields.
ShardHeader read_counts(hid_t root, const fs::path& file) {
  ShardHeader header;
  header.dataset = h5::read_string(root, "dataset", file);
  header.dataset_samples = h5::read_number(root, "dataset_samples", file);
  header.classes = h5::read_number(root, "classes", file);
  header.shard = h5::read_number(root, "shard", file);
  header.shards = h5::read_number(root, "shards", file);
  header.first_sample = h5::read_number(root, "first_sample", file);
  header.samples = h5::read_number(root, "samples", file);
  header.chunk_samples = h5::read_number(root, "chunk_samples", file);
  const std::uint64_t checksum = h5::read_number(root, "checksum", file);
  header.checksum = static_cast<std::uint32_t>(checksum);
  const bool sane = header.samples > 0 && header.samples <= header.dataset_samples &&
                    header.first_sample <= header.dataset_samples - header.samples && header.chunk_samples > 0 &&
                    header.chunk_samples <= header.samples && header.shard < header.shards &&
                    checksum == header.checksum;
  if (!sane) throw DataError(fmt::format("{}: the counts of its header contradict each other", file.string()));
  return header;
}

Compression read_compression(hid_t root, const fs::path& file) {
  if (h5::read_number(root, "schema_version", file) < 2) return {};
  try {
    return compression_from_name(h5::read_string(root, "compression", file));
  } catch (const InvalidArgument& error) {
    throw DataError(fmt::format("{}: {}", file.string(), error.what()));
  }
}

// Of a dataset whose elements are those of `field`.
void require_type(hid_t dataset, const Field& field, const fs::path& file) {
  const h5::Id type =
      h5::own(H5Dget_type(dataset), H5Tclose, file, fmt::format("field '{}' cannot be opened", field.name));
  if (H5Tequal(type.get(), h5::file_type(field.dtype)) <= 0)
    throw DataError(
        fmt::format("{}: field '{}' is not stored as {}", file.string(), field.name, tutti::name(field.dtype)));
}

h5::Id open_object(hid_t group, const std::string& name, const std::string& field, const fs::path& file) {
  return h5::own(H5Oopen(group, name.c_str(), H5P_DEFAULT), H5Oclose, file,
                 fmt::format("field '{}' cannot be opened", field));
}

// The extent of a dataset, whose first dimension are samples.
std::vector<std::size_t> read_extent(hid_t dataset, const Field& field, const ShardHeader& header,
                                     const fs::path& file) {
  const std::string what = fmt::format("field '{}' cannot be opened", field.name);
  const h5::Id space = h5::own(H5Dget_space(dataset), H5Sclose, file, what);
  const int rank = H5Sget_simple_extent_ndims(space.get());
  if (rank < 1)
    throw DataError(fmt::format("{}: field '{}' has no dimension for its samples", file.string(), field.name));
  std::vector<hsize_t> extent(static_cast<std::size_t>(rank));
  h5::require(H5Sget_simple_extent_dims(space.get(), extent.data(), nullptr), file, what);
  if (extent[0] != header.samples)
    throw DataError(fmt::format("{}: field '{}' has {} samples, the header says {}", file.string(), field.name,
                                extent[0], header.samples));
  return {extent.begin(), extent.end()};
}

Field read_sparse_field(hid_t group, const std::string& name, const ShardHeader& header, const fs::path& file) {
  Field field{.name = name, .dtype = read_dtype(group, name, file), .shape = {}, .sparse = true};
  field.shape = {h5::read_number(group, "width", file)};
  for (const auto& [part, dtype] : {std::pair(kRowEnds, DType::u64), {kColumns, DType::u32}, {kValues, field.dtype}}) {
    const h5::Id dataset = open_object(group, part, name, file);
    if (H5Iget_type(dataset.get()) != H5I_DATASET)
      throw DataError(fmt::format("{}: {} of field '{}' is no dataset", file.string(), part, name));
    require_type(dataset.get(), {.name = name, .dtype = dtype, .shape = {}}, file);
    if (part == kRowEnds && read_extent(dataset.get(), field, header, file).size() != 1)
      throw DataError(fmt::format("{}: {} of field '{}' has more than one dimension", file.string(), part, name));
  }
  return field;
}

Field read_field(hid_t group, const std::string& name, const ShardHeader& header, const fs::path& file) {
  const h5::Id object = open_object(group, name, name, file);
  if (H5Iget_type(object.get()) == H5I_GROUP) return read_sparse_field(object.get(), name, header, file);
  if (H5Iget_type(object.get()) != H5I_DATASET)
    throw DataError(fmt::format("{}: field '{}' is no dataset", file.string(), name));
  Field field{.name = name, .dtype = read_dtype(object.get(), name, file), .shape = {}};
  require_type(object.get(), field, file);
  const std::vector<std::size_t> extent = read_extent(object.get(), field, header, file);
  field.shape.assign(extent.begin() + 1, extent.end());
  return field;
}

}  // namespace

DType read_dtype(hid_t object, const std::string& field, const fs::path& file) {
  try {
    return dtype_from_name(h5::read_string(object, "dtype", file));
  } catch (const InvalidArgument& error) {
    throw DataError(fmt::format("{}: field '{}': {}", file.string(), field, error.what()));
  }
}

ShardHeader read_header(hid_t root, const fs::path& file) {
  h5::require_format(root, kShardFormat, kSchemaVersion, file);
  ShardHeader header = read_counts(root, file);
  header.compression = read_compression(root, file);
  const h5::Id group =
      h5::own(H5Gopen2(root, "fields", H5P_DEFAULT), H5Gclose, file, "group 'fields' cannot be opened");
  std::istringstream names(h5::read_string(root, "fields", file));
  for (std::string name; names >> name;) {
    if (is_link(group.get(), name, file))
      read_link(root, group.get(), name, header, file);
    else
      header.fields.push_back(read_field(group.get(), name, header, file));
  }
  const bool linked = !header.links.datasets.empty();
  if (linked) header.links.datasets.resize(header.fields.size());
  const std::string invalid = describe_invalid_fields(header.fields, header.classes);
  if (!invalid.empty()) throw DataError(fmt::format("{}: {}", file.string(), invalid));
  if (h5::read_number(root, "schema_version", file) < schema_version(header.fields, header.compression, linked))
    throw DataError(
        fmt::format("{}: has sparse fields or links, which its schema version does not know", file.string()));
  return header;
}

ShardHeader read_shard_header(const fs::path& file) {
  const ReadOnlyFile bytes(file);
  const h5::Session session;
  ChunkFinder storage(bytes);
  const h5::Id root = h5::open_read_only(storage, file);
  ShardHeader header = read_header(root.get(), file);
  if (!header.links.datasets.empty()) open_linked_file(header.links, file);
  return header;
}

}  // namespace tutti::io
