// What the kernels are compared with: each written element by element from its definition, as plainly as possible.
#pragma once

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>
#include <type_traits>
#include <vector>

#include <tutti/kernels/dtype.hpp>
#include <tutti/kernels/philox.hpp>
#include <tutti/kernels/reduce.hpp>

namespace tutti::test {

/// |x| rounded to a multiple of 2^max(exponent of x - digits, lowest); exact in double for every float.
inline double round_magnitude(float x, int digits, int lowest) {
  const double magnitude = std::fabs(static_cast<double>(x));
  if (magnitude == 0.0) return 0.0;
  const double quantum = std::ldexp(1.0, std::max(std::ilogb(magnitude) - digits, lowest));
  return std::nearbyint(magnitude / quantum) * quantum;
}

inline std::uint16_t upper_half(float x) { return static_cast<std::uint16_t>(std::bit_cast<std::uint32_t>(x) >> 16); }

inline bfloat16 reference_bf16(float x) {
  const auto sign = static_cast<std::uint16_t>(upper_half(x) & 0x8000U);
  if (std::isnan(x)) return {static_cast<std::uint16_t>(upper_half(x) | 0x40U)};
  if (std::isinf(x)) return {upper_half(x)};
  const double rounded = round_magnitude(x, 7, -133);
  if (rounded >= 0x1p128) return {static_cast<std::uint16_t>(sign | 0x7f80U)};
  return {static_cast<std::uint16_t>(sign | upper_half(static_cast<float>(rounded)))};
}

inline float16 reference_f16(float x) {
  const auto bits = std::bit_cast<std::uint32_t>(x);
  const std::uint32_t sign = (bits >> 16) & 0x8000U;
  std::uint32_t half = 0x7c00U;
  if (std::isnan(x)) {
    half = 0x7e00U | ((bits >> 13) & 0x3ffU);
  } else if (const double rounded = std::isinf(x) ? 0x1p16 : round_magnitude(x, 10, -24); rounded < 0x1p-14) {
    half = static_cast<std::uint32_t>(rounded * 0x1p24);
  } else if (rounded < 0x1p16) {
    const int exponent = std::ilogb(rounded);
    half = (static_cast<std::uint32_t>(exponent + 15) << 10) +
           (static_cast<std::uint32_t>(std::ldexp(rounded, 10 - exponent)) - 1024U);
  }
  return {static_cast<std::uint16_t>(sign | half)};
}

inline float reference_f32(bfloat16 x) { return std::bit_cast<float>(std::uint32_t{x.bits} << 16); }

inline float reference_f32(float16 x) {
  const std::uint32_t sign = std::uint32_t{x.bits & 0x8000U} << 16;
  const int exponent = (x.bits >> 10) & 0x1f;
  const int mantissa = x.bits & 0x3ff;
  if (exponent == 31) {
    const std::uint32_t quiet = mantissa != 0 ? 0x400000U : 0U;
    return std::bit_cast<float>(sign | 0x7f800000U | quiet | (static_cast<std::uint32_t>(mantissa) << 13));
  }
  const double magnitude = exponent == 0 ? std::ldexp(mantissa, -24) : std::ldexp(1024 + mantissa, exponent - 25);
  return std::copysign(static_cast<float>(magnitude), std::bit_cast<float>(sign));
}

template <class T>
T one_nan(T x) {
  return std::isnan(x) ? std::numeric_limits<T>::quiet_NaN() : x;
}

template <class T>
T reference_combine(ReduceOp op, T a, T b) {
  if constexpr (std::is_same_v<T, bfloat16>) {
    return reference_bf16(reference_combine(op, reference_f32(a), reference_f32(b)));
  } else if constexpr (std::is_same_v<T, float16>) {
    return reference_f16(reference_combine(op, reference_f32(a), reference_f32(b)));
  } else if constexpr (std::is_floating_point_v<T>) {
    if (op == ReduceOp::prod) return one_nan(a * b);
    if (op == ReduceOp::sum || op == ReduceOp::avg) return one_nan(a + b);
    if (std::isnan(a) || std::isnan(b)) return std::numeric_limits<T>::quiet_NaN();
    if (op == ReduceOp::min) return b < a ? b : a;
    return b > a ? b : a;
  } else {
    const std::uint64_t x = static_cast<std::make_unsigned_t<T>>(a);
    const std::uint64_t y = static_cast<std::make_unsigned_t<T>>(b);
    switch (op) {
      case ReduceOp::sum:
      case ReduceOp::avg:
        return static_cast<T>(x + y);
      case ReduceOp::prod:
        return static_cast<T>(x * y);
      case ReduceOp::min:
        return b < a ? b : a;
      case ReduceOp::max:
        return b > a ? b : a;
      case ReduceOp::bit_and:
        return static_cast<T>(x & y);
      case ReduceOp::bit_or:
        return static_cast<T>(x | y);
      case ReduceOp::bit_xor:
        return static_cast<T>(x ^ y);
      case ReduceOp::logical_and:
        return static_cast<T>(a != 0 && b != 0);
      case ReduceOp::logical_or:
        return static_cast<T>(a != 0 || b != 0);
    }
    return a;
  }
}

template <class T>
T reference_divide(T x, int n) {
  if constexpr (std::is_same_v<T, bfloat16>) {
    return reference_bf16(reference_divide(reference_f32(x), n));
  } else if constexpr (std::is_same_v<T, float16>) {
    return reference_f16(reference_divide(reference_f32(x), n));
  } else if constexpr (std::is_floating_point_v<T>) {
    return one_nan(x / static_cast<T>(n));
  } else {
    return static_cast<T>(static_cast<__int128>(x) / n);
  }
}

/// An unsigned number as wide as T.
template <class T>
using BitsOf = std::conditional_t<sizeof(T) == 1, std::uint8_t,
                                  std::conditional_t<sizeof(T) == 2, std::uint16_t,
                                                     std::conditional_t<sizeof(T) == 4, std::uint32_t, std::uint64_t>>>;

/// Bit patterns at the edges of T: zeros, subnormal, smallest, largest and infinite numbers, NaN quiet and signalling,
/// of both signs; for integers 0, 1, -1, the least and the greatest.
template <class T>
std::vector<T> edge_values() {
  using Bits = BitsOf<T>;
  std::vector<std::uint64_t> magnitudes;
  if constexpr (std::is_integral_v<T>) {
    magnitudes = {0, 1, 2, 3, std::uint64_t{static_cast<Bits>(-1)} >> 1};
  } else {
    constexpr int kMantissa = sizeof(T) == 8 ? 52 : sizeof(T) == 4 ? 23 : std::is_same_v<T, bfloat16> ? 7 : 10;
    const std::uint64_t smallest = std::uint64_t{1} << kMantissa;
    const std::uint64_t infinity = (std::uint64_t{static_cast<Bits>(-1)} >> 1) & ~(smallest - 1);
    const std::uint64_t one = (infinity >> 1) & ~(smallest - 1);
    magnitudes = {0,
                  1,
                  2,
                  smallest - 1,
                  smallest,
                  smallest + 1,
                  one,
                  one + 1,
                  one + smallest,
                  infinity - 1,
                  infinity,
                  infinity + 1,
                  infinity + smallest / 2,
                  infinity + smallest / 2 + 5};
  }
  std::vector<T> values;
  for (const std::uint64_t magnitude : magnitudes) {
    const auto bits = static_cast<Bits>(magnitude);
    values.push_back(std::bit_cast<T>(bits));
    values.push_back(std::bit_cast<T>(
        static_cast<Bits>(std::is_integral_v<T> ? Bits{0} - bits : bits | (Bits{1} << (8 * sizeof(T) - 1)))));
  }
  return values;
}

template <class T>
struct Operands {
  std::vector<T> left, right;
};

/// `n` left and right operands: all pairs of edge values first, then random bits.
template <class T>
Operands<T> operands(std::size_t n, std::uint64_t seed) {
  const std::vector<T> edges = edge_values<T>();
  Operands<T> result{std::vector<T>(n), std::vector<T>(n)};
  for (std::size_t i = 0; i < n; ++i) {
    const bool edge = i < edges.size() * edges.size();
    result.left[i] = edge ? edges[i % edges.size()] : std::bit_cast<T>(static_cast<BitsOf<T>>(random_u64(seed, 0, i)));
    result.right[i] = edge ? edges[i / edges.size()] : std::bit_cast<T>(static_cast<BitsOf<T>>(random_u64(seed, 1, i)));
  }
  return result;
}

/// The bits of `x`, to be compared and printed.
template <class T>
std::uint64_t bits_of(T x) {
  return std::bit_cast<BitsOf<T>>(x);
}

/// Where two arrays first differ in their bits, or `n`.
template <class T>
std::size_t first_difference(const T* a, const T* b, std::size_t n) {
  for (std::size_t i = 0; i < n; ++i) {
    if (bits_of(a[i]) != bits_of(b[i])) return i;
  }
  return n;
}

}  // namespace tutti::test
