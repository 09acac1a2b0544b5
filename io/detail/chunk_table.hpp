// Where the chunks of one HDF5 dataset lie in its file, so that they are read without HDF5.
#pragma once

#include <hdf5.h>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include <tutti/io/compression.hpp>
#include <tutti/io/detail/codec.hpp>
#include <tutti/io/detail/hdf5_storage.hpp>
#include <tutti/io/detail/read_only_file.hpp>
#include <tutti/io/detail/tiling.hpp>

namespace tutti::io {

/// Gives HDF5 the bytes of a file, and finds where chunks lie.
///
/// HDF5 (1.10.8) has no function that tells a chunk's address without walking through all chunks (H5Dget_chunk_info and
/// _by_coord both do: 16,000 chunks take 5 s). Reading a chunk goes straight to it, so that is what is asked for, and
/// the driver below notes the address instead of reading.
class ChunkFinder : public h5::Storage {
 public:
  explicit ChunkFinder(const ReadOnlyFile& file) : file_(file) {}

  struct Place {
    std::uint64_t offset = 0;
    std::uint32_t size = 0;  ///< as stored; HDF5 has no larger chunks
    FilterMask mask = 0;
  };

  /// Of the chunk that holds the element at `offset` (as many numbers as `dataset` has dimensions). Nothing if HDF5
  /// does not know. Requires an h5::Session.
  std::optional<Place> find(hid_t dataset, const std::vector<hsize_t>& offset);

  std::uint64_t size() const noexcept override { return file_.size(); }
  bool read(Content content, std::uint64_t offset, std::span<std::byte> out) noexcept override;
  void write(std::uint64_t, std::span<const std::byte>) noexcept override {}
  void close(std::uint64_t) noexcept override {}

 private:
  const ReadOnlyFile& file_;
  bool finding_ = false;
  Place found_;
};

/// What the filters of a dataset are, by its creation properties; levels of zstd count as at most 9. Nothing if they
/// are others than Compression has, or in another order.
std::optional<Compression> compression_of(hid_t properties);

/// The chunks of one dataset, numbered along its first dimension. All functions but the constructor may be called by
/// several threads at once.
class ChunkTable {
 public:
  ChunkTable() = default;

  /// Who wrote the file. Tutti's chunks divide the first dimension only, and without compression they lie in order if
  /// the last one lies where it would then: that saves looking for each.
  enum class Writer : unsigned char { tutti, other };

  /// Of a dataset in chunks with the filters of `compression`: verified, as are the places of all chunks against the
  /// size of the file. Chunks of HDF5 that divide rows count as one, of whole rows. `what` is for messages: "field
  /// 'image'". Requires an h5::Session. \throws DataError naming file and `what`.
  ChunkTable(hid_t dataset, ChunkFinder& finder, const ReadOnlyFile& file, const Compression& compression,
             const std::string& what, Writer writer = Writer::tutti);

  /// Of a dataset whose rows lie one after another from `first` on, undivided: each is a chunk. What it has is in the
  /// file: the caller has seen to that.
  ChunkTable(std::uint64_t first, std::vector<hsize_t> extent, std::size_t element_bytes);

  const std::vector<hsize_t>& extent() const noexcept { return extent_; }
  std::uint64_t chunks() const noexcept { return chunks_; }
  std::uint64_t rows_per_chunk() const noexcept { return rows_; }
  std::size_t chunk_bytes() const noexcept { return chunk_bytes_; }

  /// Reads one chunk, chunk_bytes(), whole. \throws DataError, a clause.
  void read(const ReadOnlyFile& file, std::uint64_t chunk, std::span<std::byte> out) const;

  /// Reads rows `begin` to `end`-1, which there are, whatever their chunks. \throws DataError, a clause.
  void read_rows(const ReadOnlyFile& file, std::uint64_t begin, std::uint64_t end, std::span<std::byte> out) const;

  /// Has the system begin to read the chunks that hold `count` rows from `begin` on, as far as there are any.
  void prefetch_rows(const ReadOnlyFile& file, std::uint64_t begin, std::uint64_t count) const noexcept;

 private:
  void describe(hid_t dataset, const ReadOnlyFile& file, const std::string& what, Writer writer);
  void locate(hid_t dataset, ChunkFinder& finder, const ReadOnlyFile& file, const std::string& what, Writer writer);
  void join_run() noexcept;
  ChunkFinder::Place place(std::uint64_t chunk, std::uint64_t tile = 0) const noexcept;
  void read_tile(const ReadOnlyFile& file, const ChunkFinder::Place& where, std::span<std::byte> out) const;
  /// All chunks lie one after another, as they are.
  bool is_one_run() const noexcept { return places_.empty(); }

  Compression compression_;
  std::vector<hsize_t> extent_;
  std::uint64_t rows_ = 1;
  std::uint64_t chunks_ = 0;
  std::size_t element_bytes_ = 1;
  std::size_t chunk_bytes_ = 0;
  Tiling tiling_;
  std::size_t tile_bytes_ = 0;              // of a chunk of HDF5
  std::uint64_t first_ = 0;                 // where the first chunk lies
  std::vector<ChunkFinder::Place> places_;  // of the tiles of all chunks; empty if is_one_run()
};

}  // namespace tutti::io
