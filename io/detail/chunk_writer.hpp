// Writes the chunks of one HDF5 dataset, encoded outside of HDF5 and its lock.
#pragma once

#include <hdf5.h>

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <vector>

#include <tutti/io/compression.hpp>
#include <tutti/io/detail/codec.hpp>
#include <tutti/io/detail/disk_storage.hpp>
#include <tutti/io/detail/hdf5.hpp>

namespace tutti::io {

/// Adds the filters of `compression` to the properties of a dataset that is to be created.
void set_filters(hid_t properties, const Compression& compression, const std::filesystem::path& file);

class ChunkWriter {
 public:
  /// Of a dataset with the filters of `compression`, whose chunks divide its first dimension and take `chunk_bytes`
  /// for `chunk_rows`. `what` is for messages, as "field 'image'".
  ChunkWriter(h5::Id dataset, const Compression& compression, std::size_t element_bytes, std::uint64_t chunk_rows,
              std::size_t chunk_bytes, std::string what);

  /// Of the last chunk there may be fewer bytes: zeros follow. \throws DataError naming `file`.
  void write(std::uint64_t chunk, std::span<const std::byte> bytes, const DiskStorage& disk,
             const std::filesystem::path& file);

  // ---- For a dataset of one dimension without limit, instead of write()
  /// Adds elements at its end.
  void append(std::span<const std::byte> elements, const DiskStorage& disk, const std::filesystem::path& file);
  /// Elements that were appended.
  std::uint64_t elements() const noexcept { return elements_; }
  /// Writes the last chunk of those that were appended.
  void flush(const DiskStorage& disk, const std::filesystem::path& file);

  hid_t dataset() const noexcept { return dataset_.get(); }
  /// Closes the dataset, and lets go of the memory. Requires an h5::Session. \throws DataError
  void close(const std::filesystem::path& file);

 private:
  void grow(std::uint64_t rows, const std::filesystem::path& file);

  h5::Id dataset_;
  Encoder encoder_;
  std::size_t element_bytes_;
  std::uint64_t chunk_rows_;
  std::size_t chunk_bytes_;
  std::string what_;
  std::uint64_t elements_ = 0;
  std::vector<hsize_t> offset_;
  std::vector<std::byte> padded_;   // a chunk that is not full
  std::vector<std::byte> pending_;  // appended, and not yet a chunk
};

}  // namespace tutti::io
