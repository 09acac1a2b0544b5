// Sums of squares in an order that is a function of the element's number alone.
//
// A block is 1,024 elements. Element i of it is added to column i mod 16 in f64, and the columns are added in a tree:
// so many columns fill whole vectors on every instruction set, hence the same bits on each. Blocks are added in order.
// Compiled once per instruction set, as floats-inl.hpp.
#if defined(TUTTI_KERNELS_UPDATE_NORM_INL_HPP_) == defined(HWY_TARGET_TOGGLE)
#ifdef TUTTI_KERNELS_UPDATE_NORM_INL_HPP_
#undef TUTTI_KERNELS_UPDATE_NORM_INL_HPP_
#else
#define TUTTI_KERNELS_UPDATE_NORM_INL_HPP_
#endif

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <type_traits>

#include <hwy/highway.h>

#include <tutti/kernels/floats-inl.hpp>
#include <tutti/kernels/gradients.hpp>

HWY_BEFORE_NAMESPACE();
namespace tutti::HWY_NAMESPACE {

inline constexpr std::size_t kNormColumns = 16;

/// As many elements as doubles fit a vector, as doubles.
template <class T>
HWY_INLINE hn::Vec<Tag<double>> load_doubles(const T* values) {
  const Tag<double> d;
  if constexpr (std::is_same_v<T, double>)
    return hn::LoadU(d, values);
  else
    return hn::PromoteTo(d, hn::LoadU(hn::Rebind<float, Tag<double>>(), values));
}

/// Of `count` elements, at most a block.
template <class T>
double block_sum_of_squares(const T* values, std::size_t count) {
  const Tag<double> d;
  constexpr std::size_t kLanes = hn::MaxLanes(Tag<double>());
  constexpr std::size_t kVectors = kNormColumns / kLanes;
  hn::Vec<Tag<double>> sums[kVectors];
  for (auto& sum : sums) sum = hn::Zero(d);
  std::size_t i = 0;
  for (; i + kNormColumns <= count; i += kNormColumns) {
    for (std::size_t k = 0; k < kVectors; ++k) {
      const auto x = load_doubles(values + i + k * kLanes);
      sums[k] = hn::Add(sums[k], hn::Mul(x, x));
    }
  }
  if (i < count) {
    T rest[kNormColumns] = {};
    std::memcpy(rest, values + i, (count - i) * sizeof(T));
    for (std::size_t k = 0; k < kVectors; ++k) {
      const auto x = load_doubles(rest + k * kLanes);
      sums[k] = hn::Add(sums[k], hn::Mul(x, x));
    }
  }
  double columns[kNormColumns];
  for (std::size_t k = 0; k < kVectors; ++k) hn::StoreU(sums[k], d, columns + k * kLanes);
  for (std::size_t width = kNormColumns / 2; width > 0; width /= 2)
    for (std::size_t j = 0; j < width; ++j) columns[j] += columns[j + width];
  return columns[0];
}

}  // namespace tutti::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif
