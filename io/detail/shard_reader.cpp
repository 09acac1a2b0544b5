#include <fmt/format.h>

#include <utility>

#include <tutti/io/detail/linked_file.hpp>
#include <tutti/io/detail/shard.hpp>
#include <tutti/io/detail/shard_header.hpp>
#include <tutti/io/detail/shard_links.hpp>
#include <tutti/kernels/crc32c.hpp>
#include <tutti/kernels/error.hpp>

namespace tutti::io {

ShardReader::ShardReader(std::filesystem::path file) : file_(std::move(file)) {
  const h5::Session session;
  ChunkFinder finder(file_);
  const h5::Id root = h5::open_read_only(finder, file_.path());
  header_ = read_header(root.get(), file_.path());
  const h5::Id group =
      h5::own(H5Gopen2(root.get(), "fields", H5P_DEFAULT), H5Gclose, file_.path(), "group 'fields' cannot be opened");
  fields_.reserve(header_.fields.size());
  for (std::size_t f = 0; f < header_.fields.size(); ++f) {
    if (header_.links.linked(f))
      fields_.push_back({.file = nullptr, .parts = {}, .checksums = {}});
    else
      open_field(header_.fields[f], group.get(), finder);
  }
  if (!header_.links.datasets.empty()) open_links();
  read_checksums(root.get());
}

void ShardReader::open_links() {
  linked_file_ = open_linked_file(header_.links, file_.path());
  std::string what = "its link";
  try {
    LinkedFile file(*linked_file_);
    for (std::size_t f = 0; f < fields_.size(); ++f) {
      if (!header_.links.linked(f)) continue;
      const Field& field = header_.fields[f];
      what = fmt::format("field '{}' is linked", field.name);
      const LinkedDataset dataset = file.open(header_.links.datasets[f]);
      if (dataset.dtype() != field.dtype || dataset.shape() != field.shape || dataset.samples() != header_.samples)
        throw DataError(fmt::format("{}: has changed: it has {} samples of {} {{{}}}, and had {} of {} {{{}}}",
                                    link_place(header_.links, f, linked_file_->path()), dataset.samples(),
                                    name(dataset.dtype()), fmt::join(dataset.shape(), ", "), header_.samples,
                                    name(field.dtype), fmt::join(field.shape, ", ")));
      fields_[f].file = linked_file_.get();
      fields_[f].parts.push_back(file.table(dataset));
    }
  } catch (const DataError& error) {
    throw DataError(fmt::format("{}: {}: {}", file_.path().string(), what, error.what()));
  }
}

void ShardReader::open_field(const Field& field, hid_t group, ChunkFinder& finder) {
  std::vector<ChunkTable> parts;
  const auto open = [&](const std::string& path, const std::string& what) {
    const h5::Id dataset =
        h5::own(H5Dopen2(group, path.c_str(), H5P_DEFAULT), H5Dclose, file_.path(), what + " cannot be opened");
    parts.emplace_back(dataset.get(), finder, file_, header_.compression, what);
  };
  const std::string what = fmt::format("field '{}'", field.name);
  if (field.sparse) {
    for (const char* part : {kRowEnds, kColumns, kValues})
      open(field.name + "/" + part, fmt::format("{} of field '{}'", part, field.name));
    if (parts[1].extent() != parts[2].extent())
      throw DataError(fmt::format("{}: {} has {} columns and {} values", file_.path().string(), what,
                                  parts[1].extent().front(), parts[2].extent().front()));
  } else {
    open(field.name, what);
  }
  if (parts.front().rows_per_chunk() != header_.chunk_samples)
    throw DataError(fmt::format("{}: {} is not stored in chunks of {} samples", file_.path().string(), what,
                                header_.chunk_samples));
  fields_.push_back({.file = &file_, .parts = std::move(parts), .checksums = {}});
}

void ShardReader::read_checksums(hid_t root) {
  const char* what = "the checksums cannot be read";
  const h5::Id group = h5::own(H5Gopen2(root, "checksums", H5P_DEFAULT), H5Gclose, file_.path(), what);
  std::uint32_t checksum = 0;
  for (std::size_t f = 0; f < fields_.size(); ++f) {
    const Field& field = header_.fields[f];
    std::vector<std::uint32_t>& checksums = fields_[f].checksums;
    const h5::Id table = h5::own(H5Dopen2(group.get(), field.name.c_str(), H5P_DEFAULT), H5Dclose, file_.path(), what);
    const h5::Id space = h5::own(H5Dget_space(table.get()), H5Sclose, file_.path(), what);
    if (H5Sget_simple_extent_npoints(space.get()) != static_cast<hssize_t>(header_.chunks()))
      throw DataError(
          fmt::format("{}: field '{}' does not have one checksum per chunk", file_.path().string(), field.name));
    checksums.resize(header_.chunks());
    h5::require(H5Dread(table.get(), H5T_NATIVE_UINT32, H5S_ALL, H5S_ALL, H5P_DEFAULT, checksums.data()), file_.path(),
                what);
    checksum = crc32c(std::as_bytes(std::span(checksums)), checksum);
  }
  if (checksum != header_.checksum)
    throw DataError(fmt::format("{}: the table of checksums is damaged (its own checksum is {:08x}, stored is {:08x})",
                                file_.path().string(), checksum, header_.checksum));
}

std::string ShardReader::place(std::uint64_t chunk, std::size_t field) const {
  const std::uint64_t first = header_.first_sample + chunk * header_.chunk_samples;
  const std::string link =
      header_.links.linked(field) ? ", linked to " + link_place(header_.links, field, linked_file_->path()) : "";
  return fmt::format("{}: field '{}', chunk {} (samples {} to {}){}", file_.path().string(), header_.fields[field].name,
                     chunk, first, first + header_.samples_in_chunk(chunk) - 1, link);
}

void ShardReader::read_chunk(std::uint64_t chunk, std::size_t field, std::span<std::byte> out) const {
  const std::size_t sample_bytes = header_.fields[field].sample_bytes();
  if (header_.fields[field].sparse || chunk >= header_.chunks() || out.size() != header_.chunk_samples * sample_bytes)
    throw InvalidArgument(fmt::format("{}: no chunk {} of {} bytes", file_.path().string(), chunk, out.size()));
  try {
    const StoredField& stored = fields_[field];
    const ChunkTable& table = stored.parts.front();
    const std::uint64_t first = chunk * header_.chunk_samples;
    if (table.rows_per_chunk() == header_.chunk_samples)
      table.read(*stored.file, chunk, out);
    else
      table.read_rows(*stored.file, first, first + header_.samples_in_chunk(chunk), out);
  } catch (const DataError& error) {
    throw DataError(fmt::format("{}: {}", place(chunk, field), error.what()));
  }
  const auto samples = out.first(header_.samples_in_chunk(chunk) * sample_bytes);
  require_checksum(chunk, field, crc32c(samples));
  require_labels(chunk, field, samples);
}

// Row ends of a chunk, counted from the begin of the shard, and in `begin` the one before.
std::vector<std::uint64_t> ShardReader::read_row_ends(std::uint64_t chunk, std::size_t field,
                                                      std::uint64_t& begin) const {
  const StoredField& stored = fields_[field];
  const ChunkTable& table = stored.parts.front();
  std::vector<std::uint64_t> row_ends(header_.chunk_samples);
  begin = 0;
  if (chunk > 0) {
    table.read(*stored.file, chunk - 1, std::as_writable_bytes(std::span(row_ends)));
    begin = row_ends.back();
  }
  table.read(*stored.file, chunk, std::as_writable_bytes(std::span(row_ends)));
  row_ends.resize(header_.samples_in_chunk(chunk));
  return row_ends;
}

SparseRows ShardReader::read_sparse_chunk(std::uint64_t chunk, std::size_t field) const {
  const Field& description = header_.fields[field];
  const StoredField& stored = fields_[field];
  if (!description.sparse || chunk >= header_.chunks())
    throw InvalidArgument(fmt::format("{}: no chunk {} of sparse rows", file_.path().string(), chunk));
  SparseRows rows;
  std::uint64_t begin = 0;
  try {
    rows.row_ends = read_row_ends(chunk, field, begin);
    const std::uint64_t end = rows.row_ends.back();
    const std::uint64_t elements = stored.parts[1].extent().front();
    const bool last = chunk + 1 == header_.chunks();
    if (begin > end || end > elements || (last && end != elements))
      throw DataError(fmt::format("its rows are elements {} to {} of {}", begin, end, elements));
    rows.columns.resize(end - begin);
    rows.values.resize((end - begin) * size_of(description.dtype));
    stored.parts[1].read_rows(*stored.file, begin, end, std::as_writable_bytes(std::span(rows.columns)));
    stored.parts[2].read_rows(*stored.file, begin, end, rows.values);
  } catch (const DataError& error) {
    throw DataError(fmt::format("{}: {}", place(chunk, field), error.what()));
  }
  require_checksum(chunk, field, sparse_checksum(rows.row_ends, rows.columns, rows.values));
  for (std::uint64_t& row_end : rows.row_ends) row_end -= begin;  // below: a huge number, which is refused
  if (const InvalidRow invalid = describe_invalid_rows(rows, description); !invalid.what.empty())
    throw DataError(fmt::format("{}: field '{}', sample {}: {}", file_.path().string(), description.name,
                                header_.first_sample + chunk * header_.chunk_samples + invalid.row, invalid.what));
  return rows;
}

void ShardReader::require_checksum(std::uint64_t chunk, std::size_t field, std::uint32_t found) const {
  const std::uint32_t stored = fields_[field].checksums[chunk];
  if (found != stored)
    throw DataError(fmt::format("{}: the data {} (checksum {:08x}, stored {:08x})", place(chunk, field),
                                header_.links.linked(field) ? "has changed since it was imported" : "is damaged", found,
                                stored));
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

std::uint64_t ShardReader::data_bytes(std::size_t field) const noexcept {
  const Field& description = header_.fields[field];
  if (!description.sparse) return header_.samples * description.sample_bytes();
  const std::uint64_t elements = fields_[field].parts[1].extent().front();
  return header_.samples * sizeof(std::uint64_t) + elements * (sizeof(std::uint32_t) + size_of(description.dtype));
}

void ShardReader::prefetch(std::uint64_t chunk) const noexcept {
  if (chunk >= header_.chunks()) return;
  for (const StoredField& field : fields_) {
    const std::vector<ChunkTable>& parts = field.parts;
    parts.front().prefetch_rows(*field.file, chunk * header_.chunk_samples, header_.chunk_samples);
    if (parts.size() == 1) continue;
    // Where the elements are is known once the row ends are read: guessed, as if rows were equally long.
    const std::uint64_t elements = parts[1].extent().front();
    const std::uint64_t per_chunk = elements / header_.chunks() + 1;
    for (std::size_t part = 1; part < parts.size(); ++part)
      parts[part].prefetch_rows(*field.file, chunk * (per_chunk - 1), per_chunk);
  }
}

std::unique_ptr<const ShardReader> open_shard(const Dataset& dataset, std::size_t shard) {
  const ShardInfo& info = dataset.shards()[shard];
  auto reader = std::make_unique<const ShardReader>(info.file);
  const ShardHeader& header = reader->header();
  const bool same = header.fields == dataset.fields() && header.samples == info.samples &&
                    header.first_sample == info.first_sample && header.chunk_samples == info.chunk_samples &&
                    header.checksum == info.checksum;
  if (!same) throw DataError(fmt::format("{}: has changed since the data set was opened", info.file.string()));
  return reader;
}

}  // namespace tutti::io
