// Who adds up which elements of a sparse reduction.
#pragma once

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <span>

#include <tutti/compression/sparse/selection.hpp>
#include <tutti/compression/sparse/sparse_list.hpp>

namespace tutti::detail {

/// Elements 0 to count-1 are dealt out to ranks in runs, in turn: large elements are often near each other, and owners
/// should have about equally many of them. A function of its arguments, so the same on all ranks.
class DealtSlices {
 public:
  DealtSlices(std::size_t count, std::size_t ranks) noexcept
      : count_(count),
        ranks_(ranks),
        run_(std::clamp(std::bit_floor(std::max<std::size_t>(1, count / (8 * ranks))), std::size_t{1024}, kListBlock)) {
  }

  /// Elements of a run, a divisor of kListBlock.
  std::size_t run() const noexcept { return run_; }

  std::size_t owner(std::size_t element) const noexcept { return element / run_ % ranks_; }

  /// The number of an element within its owner's slice, and back.
  std::size_t within(std::size_t element) const noexcept { return element / (run_ * ranks_) * run_ + element % run_; }
  std::size_t element(std::size_t rank, std::size_t within) const noexcept {
    return (within / run_ * ranks_ + rank) * run_ + within % run_;
  }

  std::size_t size(std::size_t rank) const noexcept {
    const std::size_t round = run_ * ranks_;
    const std::size_t rest = count_ % round;
    return count_ / round * run_ + (rest <= rank * run_ ? 0 : std::min(run_, rest - rank * run_));
  }

 private:
  std::size_t count_;
  std::size_t ranks_;
  std::size_t run_;
};

/// Puts elements in the order of their owners, numbered within the slices; those of owner r end at ends[r] of `out`.
void deal(const Elements& elements, const DealtSlices& slices, const Elements& out, std::span<std::size_t> ends);

}  // namespace tutti::detail
