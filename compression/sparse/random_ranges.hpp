// Which elements of a tensor are sent in a step, if all ranks send the same ones.
//
// A tensor is cut into groups of kPartAlignment elements, of which the last may be shorter. Of each a cyclic range is
// sent, which begins anywhere. How many elements it has follows from density, step and tensor alone: the n-th element
// that is to be sent belongs to the group in which (n - phase) / density falls, with one phase for the tensor. So the
// density is met to the element, each element is sent as often as any other, and nothing depends on how a tensor is cut
// into parts.
#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>

#include <tutti/compression/compressed_allreduce.hpp>
#include <tutti/kernels/philox.hpp>

namespace tutti::detail {

/// Uniform in [0, count), for counts below 2^32: the upper 64 bits of a product.
constexpr std::uint64_t random_below(std::uint64_t seed, std::uint64_t stream, std::uint64_t index,
                                     std::uint64_t count) noexcept {
  const std::uint64_t random = random_u64(seed, stream, index);
  const std::uint64_t low = (random & 0xFFFFFFFFU) * count;
  return ((random >> 32) * count + (low >> 32)) >> 32;
}

class RandomRanges {
 public:
  RandomRanges(std::uint64_t seed, std::uint64_t stream, double density) noexcept
      : seed_(seed), stream_(stream), density_(density), phase_(random_uniform(seed, stream, UINT64_MAX)) {}

  /// Elements begin, begin + 1, ... of the group, going round after the last one.
  struct Range {
    std::size_t begin = 0;
    std::size_t count = 0;
  };

  /// Of the group of `size` elements from element `first` of the tensor on.
  Range of_group(std::uint64_t first, std::size_t size) const noexcept {
    const auto count = static_cast<std::size_t>(sent_before(first + size) - sent_before(first));
    return {static_cast<std::size_t>(random_below(seed_, stream_, first / kPartAlignment, size)),
            count < size ? count : size};
  }

  /// Elements that are sent of `count` from `first` on, a multiple of kPartAlignment.
  std::size_t sent(std::uint64_t first, std::size_t count) const noexcept {
    return static_cast<std::size_t>(sent_before(first + count) - sent_before(first));
  }

 private:
  std::uint64_t sent_before(std::uint64_t element) const noexcept {
    return static_cast<std::uint64_t>(std::floor(static_cast<double>(element) * density_ + phase_));
  }

  std::uint64_t seed_;
  std::uint64_t stream_;
  double density_;
  double phase_;
};

}  // namespace tutti::detail
