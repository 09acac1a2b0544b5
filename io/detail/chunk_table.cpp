#include <tutti/io/detail/chunk_table.hpp>

#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <system_error>
#include <utility>

#include <tutti/io/detail/hdf5.hpp>
#include <tutti/kernels/error.hpp>

namespace tutti::io {

namespace {

// Whether the filters of a dataset are those of `compression`. Levels are of no matter to who reads.
bool has_filters(hid_t properties, const Compression& compression) {
  const std::optional<Compression> found = compression_of(properties);
  return found && found->codec == compression.codec && found->shuffle == compression.shuffle;
}

void read_stored(const ReadOnlyFile& file, std::uint64_t offset, std::span<std::byte> out) {
  const std::int64_t read = file.read(offset, out);
  if (read < 0) throw DataError("cannot be read: " + std::generic_category().message(static_cast<int>(-read)));
  if (static_cast<std::size_t>(read) != out.size()) throw DataError("cannot be read: the file has become shorter");
}

}  // namespace

std::optional<Compression> compression_of(hid_t properties) {
  Compression result;
  const int filters = H5Pget_nfilters(properties);
  for (int i = 0; i < filters; ++i) {
    unsigned level = 0;
    std::size_t values = 1;
    unsigned flags = 0;
    const H5Z_filter_t filter =
        H5Pget_filter2(properties, static_cast<unsigned>(i), &flags, &values, &level, 0, nullptr, nullptr);
    if (result.codec != Codec::none) return std::nullopt;
    if (filter == kShuffleFilter && !result.shuffle) {
      result.shuffle = true;
      continue;
    }
    for (const Codec codec : {Codec::deflate, Codec::lz4, Codec::zstd})
      if (filter == filter_of(codec)) result.codec = codec;
    if (result.codec == Codec::none) return std::nullopt;
    if (result.codec != Codec::lz4) result.level = static_cast<int>(std::clamp(values > 0 ? level : 1U, 1U, 9U));
  }
  return filters < 0 ? std::nullopt : std::optional(result);
}

bool ChunkFinder::read(Content content, std::uint64_t offset, std::span<std::byte> out) noexcept {
  if (finding_ && content == Content::samples) {
    found_.offset = offset;
    found_.size = static_cast<std::uint32_t>(out.size());
    return true;
  }
  const std::int64_t read = file_.read(offset, out);
  if (read < 0) return false;
  std::fill(out.begin() + read, out.end(), std::byte{0});
  return true;
}

std::optional<ChunkFinder::Place> ChunkFinder::find(hid_t dataset, const std::vector<hsize_t>& offset) {
  finding_ = true;
  found_ = {};
  std::byte nothing{};  // for the bytes that are not read
  const herr_t status = H5Dread_chunk(dataset, H5P_DEFAULT, offset.data(), &found_.mask, &nothing);
  finding_ = false;
  if (status < 0 || found_.size == 0) return std::nullopt;
  return found_;
}

ChunkTable::ChunkTable(hid_t dataset, ChunkFinder& finder, const ReadOnlyFile& file, const Compression& compression,
                       const std::string& what, Writer writer)
    : compression_(compression) {
  describe(dataset, file, what, writer);
  if (chunks_ > 0) locate(dataset, finder, file, what, writer);
}

ChunkTable::ChunkTable(std::uint64_t first, std::vector<hsize_t> extent, std::size_t element_bytes)
    : extent_(std::move(extent)),
      chunks_(extent_.front()),
      element_bytes_(element_bytes),
      chunk_bytes_(element_bytes),
      first_(first) {
  for (std::size_t d = 1; d < extent_.size(); ++d) chunk_bytes_ *= extent_[d];
  tile_bytes_ = chunk_bytes_;
}

void ChunkTable::describe(hid_t dataset, const ReadOnlyFile& file, const std::string& what, Writer writer) {
  const std::string failure = what + " cannot be opened";
  const h5::Id type = h5::own(H5Dget_type(dataset), H5Tclose, file.path(), failure);
  element_bytes_ = std::max<std::size_t>(1, H5Tget_size(type.get()));
  const h5::Id space = h5::own(H5Dget_space(dataset), H5Sclose, file.path(), failure);
  const int rank = std::max(1, H5Sget_simple_extent_ndims(space.get()));
  extent_.resize(static_cast<std::size_t>(rank));
  std::vector<hsize_t> chunk(extent_.size());
  const h5::Id properties = h5::own(H5Dget_create_plist(dataset), H5Pclose, file.path(), failure);
  if (H5Sget_simple_extent_dims(space.get(), extent_.data(), nullptr) != rank ||
      H5Pget_layout(properties.get()) != H5D_CHUNKED || H5Pget_chunk(properties.get(), rank, chunk.data()) != rank ||
      (writer == Writer::tutti && !std::equal(chunk.begin() + 1, chunk.end(), extent_.begin() + 1)) ||
      !has_filters(properties.get(), compression_))
    throw DataError(fmt::format("{}: {} is not stored in chunks of whole samples, compression {}", file.path().string(),
                                what, name(compression_)));
  rows_ = chunk.front();
  chunks_ = extent_.front() == 0 ? 0 : (extent_.front() - 1) / rows_ + 1;
  if (chunks_ == 0) return;
  if (writer == Writer::other) tiling_ = Tiling(extent_, chunk, element_bytes_);
  std::uint64_t bytes = element_bytes_;  // below 2^32, as HDF5 demands of chunks
  std::uint64_t tiles = 0;
  for (const hsize_t size : chunk)
    if (__builtin_mul_overflow(bytes, size, &bytes)) bytes = ~std::uint64_t{0};
  if (__builtin_mul_overflow(chunks_, tiling_.tiles(), &tiles)) tiles = ~std::uint64_t{0};
  // Every chunk takes bytes of the file, and what they can become is limited. So is then what is claimed for them.
  if (tiles > file.size() || bytes > most_decoded(compression_, file.size()) / tiles)
    throw DataError(fmt::format("{}: {} claims {} chunks of {} bytes, more than the {} bytes of the file can hold",
                                file.path().string(), what, tiles, bytes, file.size()));
  tile_bytes_ = bytes;
  chunk_bytes_ = rows_ * element_bytes_;
  for (std::size_t d = 1; d < extent_.size(); ++d) chunk_bytes_ *= extent_[d];
}

void ChunkTable::locate(hid_t dataset, ChunkFinder& finder, const ReadOnlyFile& file, const std::string& what,
                        Writer writer) {
  const std::uint64_t tiles = tiling_.tiles();
  const auto find = [&](std::uint64_t tile) {
    std::vector<hsize_t> offset = tiles == 1 ? std::vector<hsize_t>(extent_.size(), 0) : tiling_.offset(tile % tiles);
    offset.front() = tile / tiles * rows_;
    const auto place = finder.find(dataset, offset);
    const std::string where = fmt::format("{}, chunk {}", what, tile);
    if (!place) h5::fail(file.path(), where + ": was never written, or cannot be found");
    if (!file.holds(place->offset, place->size))
      throw DataError(fmt::format("{}: {}: lies behind the end of the file", file.path().string(), where));
    const bool plain = is_plain(compression_, element_bytes_, place->mask);
    if (plain ? place->size != tile_bytes_ : tile_bytes_ > most_decoded(compression_, place->size))
      throw DataError(fmt::format("{}: {}: has {} bytes, which cannot become {}", file.path().string(), where,
                                  place->size, tile_bytes_));
    return *place;
  };
  const h5::Id properties = h5::own(H5Dget_create_plist(dataset), H5Pclose, file.path(), what + " cannot be opened");
  H5D_alloc_time_t allocated = H5D_ALLOC_TIME_DEFAULT;
  if (writer == Writer::tutti && compression_ == Compression{} &&
      H5Pget_alloc_time(properties.get(), &allocated) >= 0 && allocated == H5D_ALLOC_TIME_EARLY) {
    // HDF5 gave them their places in one go.
    first_ = find(0).offset;
    if (find(chunks_ - 1).offset == first_ + (chunks_ - 1) * chunk_bytes_) return;
  }
  places_.reserve(chunks_ * tiles);
  for (std::uint64_t tile = 0; tile < chunks_ * tiles; ++tile) places_.push_back(find(tile));
  if (compression_ == Compression{} && tiles == 1) join_run();
}

void ChunkTable::join_run() noexcept {
  first_ = places_.front().offset;
  for (std::uint64_t chunk = 0; chunk < chunks_; ++chunk)
    if (places_[chunk].offset != first_ + chunk * chunk_bytes_) return;
  places_ = {};
}

ChunkFinder::Place ChunkTable::place(std::uint64_t chunk, std::uint64_t tile) const noexcept {
  if (!is_one_run()) return places_[chunk * tiling_.tiles() + tile];
  return {.offset = first_ + chunk * chunk_bytes_, .size = static_cast<std::uint32_t>(chunk_bytes_), .mask = 0};
}

void ChunkTable::read(const ReadOnlyFile& file, std::uint64_t chunk, std::span<std::byte> out) const {
  if (tiling_.tiles() == 1) return read_tile(file, place(chunk), out);
  thread_local std::vector<std::byte> decoded;  // kept as those below are
  if (decoded.size() < tile_bytes_) decoded.resize(tile_bytes_);
  const auto bytes = std::span(decoded).first(tile_bytes_);
  for (std::uint64_t tile = 0; tile < tiling_.tiles(); ++tile) {
    read_tile(file, place(chunk, tile), bytes);
    tiling_.copy(tile, bytes, out);
  }
}

void ChunkTable::read_tile(const ReadOnlyFile& file, const ChunkFinder::Place& where, std::span<std::byte> out) const {
  if (is_plain(compression_, element_bytes_, where.mask)) return read_stored(file, where.offset, out);
  // Kept by each thread that reads, as much as its largest chunk: allocating them anew costs a page fault per 4 KiB.
  thread_local std::vector<std::byte> stored;
  thread_local std::vector<std::byte> buffer;
  if (stored.size() < where.size) stored.resize(where.size);
  const auto bytes = std::span(stored).first(where.size);
  read_stored(file, where.offset, bytes);
  decode(compression_, element_bytes_, where.mask, bytes, buffer, out);
}

void ChunkTable::read_rows(const ReadOnlyFile& file, std::uint64_t begin, std::uint64_t end,
                           std::span<std::byte> out) const {
  const std::size_t row_bytes = chunk_bytes_ / rows_;
  if (is_one_run()) return read_stored(file, first_ + begin * row_bytes, out.first((end - begin) * row_bytes));
  std::vector<std::byte> whole;
  while (begin < end) {
    const std::uint64_t chunk = begin / rows_;
    const std::uint64_t last = std::min(end, (chunk + 1) * rows_);
    const auto piece = out.first((last - begin) * row_bytes);
    const std::size_t skipped = (begin % rows_) * row_bytes;
    const ChunkFinder::Place where = place(chunk);
    if (tiling_.tiles() == 1 && is_plain(compression_, element_bytes_, where.mask)) {
      read_stored(file, where.offset + skipped, piece);
    } else if (piece.size() == chunk_bytes_) {
      read(file, chunk, piece);
    } else {
      whole.resize(chunk_bytes_);
      read(file, chunk, whole);
      std::copy_n(whole.begin() + static_cast<std::ptrdiff_t>(skipped), piece.size(), piece.begin());
    }
    out = out.subspan(piece.size());
    begin = last;
  }
}

void ChunkTable::prefetch_rows(const ReadOnlyFile& file, std::uint64_t begin, std::uint64_t count) const noexcept {
  if (is_one_run()) {
    const std::uint64_t end = std::min(begin + count, chunks_ * rows_);
    const std::uint64_t row_bytes = chunk_bytes_ / rows_;
    if (begin < end) file.prefetch(first_ + begin * row_bytes, (end - begin) * row_bytes);
    return;
  }
  for (std::uint64_t chunk = begin / rows_; chunk < chunks_ && chunk * rows_ < begin + count; ++chunk)
    for (std::uint64_t tile = 0; tile < tiling_.tiles(); ++tile) {
      const ChunkFinder::Place where = place(chunk, tile);
      file.prefetch(where.offset, where.size);
    }
}

}  // namespace tutti::io
