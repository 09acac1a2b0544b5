#include <tutti/io/detail/tiling.hpp>

#include <algorithm>
#include <cstring>

namespace tutti::io {

namespace {

std::vector<std::size_t> strides_of(const std::vector<hsize_t>& extent, std::size_t element_bytes) {
  std::vector<std::size_t> strides(extent.size(), element_bytes);
  for (std::size_t d = extent.size() - 1; d > 0; --d) strides[d - 1] = strides[d] * extent[d];
  return strides;
}

}  // namespace

Tiling::Tiling(const std::vector<hsize_t>& extent, const std::vector<hsize_t>& chunk, std::size_t element_bytes)
    : extent_(extent), chunk_(chunk), grid_(extent.size(), 1) {
  extent_.front() = chunk_.front();
  tile_strides_ = strides_of(chunk_, element_bytes);
  band_strides_ = strides_of(extent_, element_bytes);
  for (std::size_t d = 1; d < extent_.size(); ++d) {
    grid_[d] = (extent_[d] - 1) / chunk_[d] + 1;
    tiles_ *= grid_[d];
    if (extent_[d] != chunk_[d]) divided_ = d;
  }
}

std::vector<hsize_t> Tiling::offset(std::uint64_t tile) const {
  std::vector<hsize_t> offset(extent_.size(), 0);
  for (std::size_t d = extent_.size(); d-- > 1;) {
    offset[d] = tile % grid_[d] * chunk_[d];
    tile /= grid_[d];
  }
  return offset;
}

void Tiling::copy_part(std::size_t dimension, const std::vector<hsize_t>& counts, const std::byte* from,
                       std::byte* to) const {
  if (dimension == divided_) {
    std::memcpy(to, from, counts[dimension] * tile_strides_[dimension]);
    return;
  }
  for (hsize_t i = 0; i < counts[dimension]; ++i)
    copy_part(dimension + 1, counts, from + i * tile_strides_[dimension], to + i * band_strides_[dimension]);
}

void Tiling::copy(std::uint64_t tile, std::span<const std::byte> from, std::span<std::byte> band) const {
  std::vector<hsize_t> counts = offset(tile);
  std::size_t begin = 0;
  for (std::size_t d = 0; d < counts.size(); ++d) {
    begin += counts[d] * band_strides_[d];
    counts[d] = std::min(chunk_[d], extent_[d] - counts[d]);
  }
  copy_part(0, counts, from.data(), band.data() + begin);
}

}  // namespace tutti::io
