// Where blocks and segments of a collective's data lie.
#pragma once

#include <cstddef>
#include <span>

#include <tutti/collectives/schedule/schedule.hpp>

namespace tutti::detail {

/// Elements [first, first + count).
struct ElementRange {
  std::size_t first;
  std::size_t count;
};

/// The cut of `count` elements into `segments`, and of each segment into `blocks`.
///
/// With bound blocks (has_bound_blocks) block b is the b-th of equal parts of the data, or what `offsets` say, and a
/// segment a slice of every block, so a range of several blocks is contiguous only with a single segment. Otherwise a
/// segment is a slice of the data, cut into blocks that differ by at most one element, and every range of blocks is
/// contiguous.
class Segments {
 public:
  /// `offsets`, if not empty, are the first elements of bound blocks and the end of the last; they are not copied.
  Segments(std::size_t count, int blocks, int segments, bool bound, std::span<const std::size_t> offsets = {}) noexcept
      : count_(count),
        blocks_(static_cast<std::size_t>(blocks)),
        segments_(static_cast<std::size_t>(segments)),
        bound_(bound),
        block_(bound && blocks > 1 ? count / blocks_ : count),
        offsets_(offsets) {}

  int segments() const noexcept { return static_cast<int>(segments_); }

  ElementRange range(int segment, BlockRange blocks) const noexcept {
    if (blocks_ == 1 && segments_ == 1) return {0, blocks.count == 0 ? 0 : count_};
    const std::size_t first = begin(segment, blocks.first);
    if (blocks.count == 0) return {first, 0};
    const std::size_t last =
        bound_ ? end_of_bound(segment, blocks.first + blocks.count - 1) : begin(segment, blocks.first + blocks.count);
    return {first, last - first};
  }

  /// First element of bound block `block`, over all segments.
  std::size_t block_begin(int block) const noexcept { return offset(static_cast<std::size_t>(block)); }

 private:
  /// Boundary `i` of `n` parts of `total`, the larger parts first.
  static std::size_t cut(std::size_t total, std::size_t i, std::size_t n) noexcept {
    if (n == 1) return i * total;  // most data are not cut, and dividing takes long
    const std::size_t rest = total % n;
    return total / n * i + (i < rest ? i : rest);
  }

  std::size_t begin(int segment, int block) const noexcept {
    const auto s = static_cast<std::size_t>(segment);
    const auto b = static_cast<std::size_t>(block);
    if (bound_) return slice(b, s);
    const std::size_t first = cut(count_, s, segments_);
    return first + cut(cut(count_, s + 1, segments_) - first, b, blocks_);
  }
  std::size_t end_of_bound(int segment, int block) const noexcept {
    return slice(static_cast<std::size_t>(block), static_cast<std::size_t>(segment) + 1);
  }

  /// Boundary `s` of the slices of block `b`; of the one behind the last, where all end.
  std::size_t slice(std::size_t b, std::size_t s) const noexcept {
    if (b == blocks_) return offset(b);
    return offset(b) + cut(offset(b + 1) - offset(b), s, segments_);
  }
  std::size_t offset(std::size_t b) const noexcept { return offsets_.empty() ? block_ * b : offsets_[b]; }

  std::size_t count_;
  std::size_t blocks_;
  std::size_t segments_;
  bool bound_;
  std::size_t block_;  // elements of a bound block without offsets
  std::span<const std::size_t> offsets_;
};

}  // namespace tutti::detail
