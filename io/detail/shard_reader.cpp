#include <fmt/core.h>

#include <tutti/io/detail/shard.hpp>
#include <tutti/io/detail/shard_header.hpp>
#include <tutti/kernels/crc32c.hpp>
#include <tutti/kernels/error.hpp>

namespace tutti::io {

ShardReader::ShardReader(std::filesystem::path file) : file_(std::move(file)) {
  const h5::Session session;
  ChunkFinder finder(file_);
  const h5::Id root = h5::open_read_only(finder, file_.path());
  header_ = read_header(root.get(), file_.path());
  const h5::Id group = h5::own(H5Gopen2(root.get(), "fields", H5P_DEFAULT), H5Gclose, file_.path(),
                               "group 'fields' cannot be opened");
  chunks_.reserve(header_.fields.size());
  for (const Field& field : header_.fields) {
    const std::string what = fmt::format("field '{}'", field.name);
    const h5::Id dataset = h5::own(H5Dopen2(group.get(), field.name.c_str(), H5P_DEFAULT), H5Dclose, file_.path(),
                                   what + " cannot be opened");
    chunks_.emplace_back(dataset.get(), finder, file_, header_.compression, what);
    if (chunks_.back().rows_per_chunk() != header_.chunk_samples)
      throw DataError(fmt::format("{}: {} is not stored in chunks of {} samples", file_.path().string(), what,
                                  header_.chunk_samples));
  }
  read_checksums(root.get());
}

void ShardReader::read_checksums(hid_t root) {
  const char* what = "the checksums cannot be read";
  const h5::Id group = h5::own(H5Gopen2(root, "checksums", H5P_DEFAULT), H5Gclose, file_.path(), what);
  std::uint32_t checksum = 0;
  checksums_.reserve(header_.fields.size());
  for (const Field& field : header_.fields) {
    const h5::Id table = h5::own(H5Dopen2(group.get(), field.name.c_str(), H5P_DEFAULT), H5Dclose, file_.path(), what);
    const h5::Id space = h5::own(H5Dget_space(table.get()), H5Sclose, file_.path(), what);
    if (H5Sget_simple_extent_npoints(space.get()) != static_cast<hssize_t>(header_.chunks()))
      throw DataError(
          fmt::format("{}: field '{}' does not have one checksum per chunk", file_.path().string(), field.name));
    checksums_.emplace_back(header_.chunks());
    h5::require(H5Dread(table.get(), H5T_NATIVE_UINT32, H5S_ALL, H5S_ALL, H5P_DEFAULT, checksums_.back().data()),
                file_.path(), what);
    checksum = crc32c(std::as_bytes(std::span(checksums_.back())), checksum);
  }
  if (checksum != header_.checksum)
    throw DataError(fmt::format("{}: the table of checksums is damaged (its own checksum is {:08x}, stored is {:08x})",
                                file_.path().string(), checksum, header_.checksum));
}

std::string ShardReader::place(std::uint64_t chunk, std::size_t field) const {
  const std::uint64_t first = header_.first_sample + chunk * header_.chunk_samples;
  return fmt::format("{}: field '{}', chunk {} (samples {} to {})", file_.path().string(), header_.fields[field].name,
                     chunk, first, first + header_.samples_in_chunk(chunk) - 1);
}

void ShardReader::read_chunk(std::uint64_t chunk, std::size_t field, std::span<std::byte> out) const {
  const std::size_t sample_bytes = header_.fields[field].sample_bytes();
  if (chunk >= header_.chunks() || out.size() != header_.chunk_samples * sample_bytes)
    throw InvalidArgument(fmt::format("{}: no chunk {} of {} bytes", file_.path().string(), chunk, out.size()));
  try {
    chunks_[field].read(file_, chunk, out);
  } catch (const DataError& error) {
    throw DataError(fmt::format("{}: {}", place(chunk, field), error.what()));
  }
  const auto samples = out.first(header_.samples_in_chunk(chunk) * sample_bytes);
  require_checksum(chunk, field, crc32c(samples));
  require_labels(chunk, field, samples);
}

void ShardReader::require_checksum(std::uint64_t chunk, std::size_t field, std::uint32_t found) const {
  const std::uint32_t stored = checksums_[field][chunk];
  if (found != stored)
    throw DataError(
        fmt::format("{}: the data is damaged (checksum {:08x}, stored {:08x})", place(chunk, field), found, stored));
}

void ShardReader::require_labels(std::uint64_t chunk, std::size_t field, std::span<const std::byte> samples) const {
  const Field& description = header_.fields[field];
  if (header_.classes == 0 || description.name != kLabelField) return;
  const std::size_t bad = first_bad_label(description, samples, header_.classes);
  if (bad < header_.samples_in_chunk(chunk))
    throw DataError(fmt::format("{}: field '{}', sample {}: label {} is not in 0 .. {}", file_.path().string(),
                                description.name, header_.first_sample + chunk * header_.chunk_samples + bad,
                                label_text(description, samples, bad), header_.classes - 1));
}

void ShardReader::prefetch(std::uint64_t chunk) const noexcept {
  for (const ChunkTable& field : chunks_) field.prefetch(file_, chunk);
}

}  // namespace tutti::io
