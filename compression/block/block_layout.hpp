// Who adds up which blocks, and where encoded blocks lie.
#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include <tutti/compression/block/block_codec.hpp>
#include <tutti/compression/compressed_allreduce.hpp>

namespace tutti::detail {

/// Blocks of all parts, one after another, are cut into a slice for each rank, of about equally many. A function of its
/// arguments, so the same on all ranks.
class BlockLayout {
 public:
  /// Consecutive blocks of a part.
  struct Run {
    std::size_t part = 0;
    std::size_t first = 0;  ///< element within the part
    std::size_t count = 0;
    std::size_t place = 0;    ///< of its first element among those of all parts
    std::size_t encoded = 0;  ///< of its first byte within the slice
    std::size_t bytes = 0;
  };

  BlockLayout(std::span<const TensorPart> parts, const BlockCodec& codec, std::size_t ranks);

  std::span<const Run> slice(std::size_t rank) const noexcept { return slices_[rank]; }

  /// Elements of all parts, their bytes when encoded, and those of the longest slice: as many are sent of each.
  std::size_t count() const noexcept { return count_; }
  std::size_t encoded_bytes() const noexcept { return encoded_bytes_; }
  std::size_t slice_bytes() const noexcept { return slice_bytes_; }

 private:
  std::vector<std::vector<Run>> slices_;
  std::size_t count_ = 0;
  std::size_t encoded_bytes_ = 0;
  std::size_t slice_bytes_ = 0;
};

}  // namespace tutti::detail
