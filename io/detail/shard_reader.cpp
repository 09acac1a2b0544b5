#include <fmt/core.h>

#include <sstream>

#include <tutti/io/detail/shard.hpp>
#include <tutti/kernels/crc32c.hpp>
#include <tutti/kernels/error.hpp>

namespace tutti::io {

ShardReader::ShardReader(std::filesystem::path file) : file_(std::move(file)) {
  const h5::Session session;
  try {
    root_ = h5::open_read_only(file_);
    read_header();
  } catch (...) {
    datasets_.clear();
    root_.close();
    throw;
  }
}

ShardReader::~ShardReader() {
  const h5::Session session;
  datasets_.clear();
  root_.close();
}

void ShardReader::read_header() {
  const hid_t root = root_.get();
  h5::require_format(root, kShardFormat, kSchemaVersion, file_);
  header_.dataset = h5::read_string(root, "dataset", file_);
  header_.dataset_samples = h5::read_number(root, "dataset_samples", file_);
  header_.classes = h5::read_number(root, "classes", file_);
  header_.shard = h5::read_number(root, "shard", file_);
  header_.shards = h5::read_number(root, "shards", file_);
  header_.first_sample = h5::read_number(root, "first_sample", file_);
  header_.samples = h5::read_number(root, "samples", file_);
  header_.chunk_samples = h5::read_number(root, "chunk_samples", file_);
  const std::uint64_t checksum = h5::read_number(root, "checksum", file_);
  header_.checksum = static_cast<std::uint32_t>(checksum);
  const bool sane = header_.samples > 0 && header_.samples <= header_.dataset_samples &&
                    header_.first_sample <= header_.dataset_samples - header_.samples && header_.chunk_samples > 0 &&
                    header_.chunk_samples <= header_.samples && header_.shard < header_.shards &&
                    checksum == header_.checksum;
  if (!sane) throw DataError(fmt::format("{}: the counts of its header contradict each other", file_.string()));

  const h5::Id group =
      h5::own(H5Gopen2(root, "fields", H5P_DEFAULT), H5Gclose, file_, "group 'fields' cannot be opened");
  std::istringstream names(h5::read_string(root, "fields", file_));
  for (std::string name; names >> name;) header_.fields.push_back(read_field(group.get(), name));
  const std::string invalid = describe_invalid_fields(header_.fields, header_.classes);
  if (!invalid.empty()) throw DataError(fmt::format("{}: {}", file_.string(), invalid));
  // Memory for chunks and checksums is claimed by these numbers. Chunks are allocated at creation, so they are in the
  // file.
  const std::uintmax_t file_bytes = std::filesystem::file_size(file_);
  const std::uint64_t chunks = header_.chunks();
  for (const Field& field : header_.fields) {
    std::uint64_t claimed = 0;
    const bool wraps = __builtin_mul_overflow(header_.chunk_samples, field.sample_bytes(), &claimed) ||
                       __builtin_mul_overflow(claimed, chunks, &claimed);
    if (wraps || claimed > file_bytes)
      throw DataError(fmt::format(
          "{}: field '{}' claims {} chunks of {} samples of {} bytes, more than the {} bytes "
          "of the file",
          file_.string(), field.name, header_.chunks(), header_.chunk_samples, field.sample_bytes(), file_bytes));
  }
}

Field ShardReader::read_field(hid_t group, const std::string& name) {
  const std::string what = fmt::format("field '{}' cannot be opened", name);
  datasets_.push_back(h5::own(H5Dopen2(group, name.c_str(), H5P_DEFAULT), H5Dclose, file_, what));
  const hid_t dataset = datasets_.back().get();
  Field field{.name = name, .dtype = DType::u8, .shape = {}};
  try {
    field.dtype = dtype_from_name(h5::read_string(dataset, "dtype", file_));
  } catch (const InvalidArgument& error) {
    throw DataError(fmt::format("{}: field '{}': {}", file_.string(), name, error.what()));
  }
  const h5::Id type = h5::own(H5Dget_type(dataset), H5Tclose, file_, what);
  if (H5Tequal(type.get(), h5::file_type(field.dtype)) <= 0)
    throw DataError(fmt::format("{}: field '{}' is not stored as {}", file_.string(), name, tutti::name(field.dtype)));

  const h5::Id space = h5::own(H5Dget_space(dataset), H5Sclose, file_, what);
  const int rank = H5Sget_simple_extent_ndims(space.get());
  if (rank < 1) throw DataError(fmt::format("{}: field '{}' has no dimension for its samples", file_.string(), name));
  std::vector<hsize_t> extent(static_cast<std::size_t>(rank));
  h5::require(H5Sget_simple_extent_dims(space.get(), extent.data(), nullptr), file_, what);
  if (extent[0] != header_.samples)
    throw DataError(fmt::format("{}: field '{}' has {} samples, the header says {}", file_.string(), name, extent[0],
                                header_.samples));
  field.shape.assign(extent.begin() + 1, extent.end());

  const h5::Id properties = h5::own(H5Dget_create_plist(dataset), H5Pclose, file_, what);
  std::vector<hsize_t> chunk(extent.size());
  extent[0] = header_.chunk_samples;
  if (H5Pget_layout(properties.get()) != H5D_CHUNKED || H5Pget_chunk(properties.get(), rank, chunk.data()) != rank ||
      chunk != extent || H5Pget_nfilters(properties.get()) != 0)
    throw DataError(fmt::format("{}: field '{}' is not stored in unfiltered chunks of {} samples", file_.string(), name,
                                header_.chunk_samples));
  return field;
}

void ShardReader::read_checksums() {
  const char* what = "the checksums cannot be read";
  const h5::Id group = h5::own(H5Gopen2(root_.get(), "checksums", H5P_DEFAULT), H5Gclose, file_, what);
  std::vector<std::vector<std::uint32_t>> tables;
  std::uint32_t checksum = 0;
  for (const Field& field : header_.fields) {
    const h5::Id table = h5::own(H5Dopen2(group.get(), field.name.c_str(), H5P_DEFAULT), H5Dclose, file_, what);
    const h5::Id space = h5::own(H5Dget_space(table.get()), H5Sclose, file_, what);
    if (H5Sget_simple_extent_npoints(space.get()) != static_cast<hssize_t>(header_.chunks()))
      throw DataError(fmt::format("{}: field '{}' does not have one checksum per chunk", file_.string(), field.name));
    tables.emplace_back(header_.chunks());
    h5::require(H5Dread(table.get(), H5T_NATIVE_UINT32, H5S_ALL, H5S_ALL, H5P_DEFAULT, tables.back().data()), file_,
                what);
    checksum = crc32c(std::as_bytes(std::span(tables.back())), checksum);
  }
  if (checksum != header_.checksum)
    throw DataError(fmt::format("{}: the table of checksums is damaged (its own checksum is {:08x}, stored is {:08x})",
                                file_.string(), checksum, header_.checksum));
  checksums_ = std::move(tables);
}

std::string ShardReader::place(std::uint64_t chunk, std::size_t field) const {
  const std::uint64_t first = header_.first_sample + chunk * header_.chunk_samples;
  return fmt::format("{}: field '{}', chunk {} (samples {} to {})", file_.string(), header_.fields[field].name, chunk,
                     first, first + header_.samples_in_chunk(chunk) - 1);
}

void ShardReader::read_chunk(std::uint64_t chunk, std::size_t field, std::span<std::byte> out) {
  const Field& description = header_.fields[field];
  const std::size_t chunk_bytes = header_.chunk_samples * description.sample_bytes();
  if (chunk >= header_.chunks() || out.size() != chunk_bytes)
    throw InvalidArgument(fmt::format("{}: no chunk {} of {} bytes", file_.string(), chunk, out.size()));
  {
    const h5::Session session;
    if (checksums_.empty()) read_checksums();
    std::vector<hsize_t> offset(description.shape.size() + 1, 0);
    offset[0] = chunk * header_.chunk_samples;
    const hid_t dataset = datasets_[field].get();
    hsize_t stored = 0;
    std::uint32_t filters = 0;
    // The size is asked first because H5Dread_chunk writes as much as is stored, whatever the room.
    if (H5Dget_chunk_storage_size(dataset, offset.data(), &stored) < 0 || stored != chunk_bytes ||
        H5Dread_chunk(dataset, H5P_DEFAULT, offset.data(), &filters, out.data()) < 0 || filters != 0)
      h5::fail(file_, place(chunk, field).substr(file_.string().size() + 2) + ": cannot be read");
  }
  const auto samples = out.first(header_.samples_in_chunk(chunk) * description.sample_bytes());
  const std::uint32_t found = crc32c(samples);
  const std::uint32_t stored = checksums_[field][chunk];
  if (found != stored)
    throw DataError(
        fmt::format("{}: the data is damaged (checksum {:08x}, stored {:08x})", place(chunk, field), found, stored));
  if (header_.classes > 0 && description.name == kLabelField) {
    const std::size_t bad = first_bad_label(description, samples, header_.classes);
    if (bad < header_.samples_in_chunk(chunk))
      throw DataError(fmt::format("{}: field '{}', sample {}: label {} is not in 0 .. {}", file_.string(),
                                  description.name, header_.first_sample + chunk * header_.chunk_samples + bad,
                                  label_text(description, samples, bad), header_.classes - 1));
  }
}

}  // namespace tutti::io
