// In which order the samples of an epoch are visited: the same global order whatever the number of ranks.
#pragma once

#include <tutti/kernels/cpp20.hpp>

#include <cstdint>

namespace tutti::io {

enum class Order : std::uint8_t { contiguous, shuffled };

/// A permutation of 0 .. size-1 for every epoch, computed element by element without storing it.
class Sampler {
 public:
  /// Requires size > 0.
  Sampler(std::uint64_t size, Order order, std::uint64_t seed) noexcept;

  std::uint64_t size() const noexcept { return size_; }

  /// Id of the sample at `position` of `epoch`. Requires position < size. Pure: depends on (size, order, seed, epoch,
  /// position) alone, so that any rank computes any part of any epoch, and nothing but a position is saved in a
  /// checkpoint.
  std::uint64_t sample(std::uint64_t epoch, std::uint64_t position) const noexcept;

 private:
  std::uint64_t size_;
  Order order_;
  std::uint64_t seed_;
  unsigned bits_;  ///< of the shuffling network: the fewest that hold every position
};

/// Positions [first, last).
struct Range {
  std::uint64_t first = 0;
  std::uint64_t last = 0;
  std::uint64_t size() const noexcept { return last - first; }
};

/// Part `part` of `parts` of a range, contiguous, sizes differing by at most one, larger parts first. Parts may be
/// empty.
Range part_of(Range whole, int part, int parts) noexcept;

/// The positions of parts [own.first, own.last) of `parts` of a range together.
Range parts_of(Range whole, Range own, int parts) noexcept;

}  // namespace tutti::io
