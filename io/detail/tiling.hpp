// Chunks of an HDF5 dataset that divide its rows: tiles. Those of the same rows are a band, and make up whole rows.
#pragma once

#include <hdf5.h>

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace tutti::io {

class Tiling {
 public:
  /// One tile is a band: rows are not divided.
  Tiling() = default;

  /// Of chunks of `chunk` elements in each dimension of a dataset of `extent`; none is 0.
  Tiling(const std::vector<hsize_t>& extent, const std::vector<hsize_t>& chunk, std::size_t element_bytes);

  std::uint64_t tiles() const noexcept { return tiles_; }  ///< of a band

  /// Where a tile begins in its band, in elements of each dimension.
  std::vector<hsize_t> offset(std::uint64_t tile) const;

  /// Copies a tile to where it belongs in the rows of its band, both whole. What is behind the end of a row is left
  /// out.
  void copy(std::uint64_t tile, std::span<const std::byte> from, std::span<std::byte> band) const;

 private:
  void copy_part(std::size_t dimension, const std::vector<hsize_t>& counts, const std::byte* from, std::byte* to) const;

  std::uint64_t tiles_ = 1;
  std::vector<hsize_t> extent_;  // of a band
  std::vector<hsize_t> chunk_;
  std::vector<std::uint64_t> grid_;        // tiles in each dimension
  std::vector<std::size_t> tile_strides_;  // in bytes
  std::vector<std::size_t> band_strides_;
  std::size_t divided_ = 0;  // the last dimension that is divided: from it on tiles are runs of bytes
};

}  // namespace tutti::io
