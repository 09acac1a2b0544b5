// Per element: add_as_integers reads a value, and reads and writes an integer; a block is looked at twice, the second
// time in the first-level cache. integers_to_values reads an integer and writes a value.
#include <tutti/kernels/integer_sums.hpp>

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string_view>

#include <tutti/kernels/error.hpp>
#include <tutti/kernels/text.hpp>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "tutti/kernels/integer_sums.cpp"
#include <hwy/foreach_target.h>
// Highway's own headers, and ours that are compiled per instruction set, come after foreach_target.h.
#include <hwy/highway.h>

#include <tutti/kernels/floats-inl.hpp>

HWY_BEFORE_NAMESPACE();
namespace tutti::HWY_NAMESPACE {

using Floats = Tag<float>;
using Integers = hn::RebindToSigned<Floats>;

/// 2^exponent, -126 <= exponent <= 127.
inline float power_of_two(int exponent) { return std::bit_cast<float>((exponent + 127) << 23); }

/// Exponent of the integers of a block. At most 126, so that it and its inverse are normal; at least -110.
inline int exponent_of(std::uint8_t scale, int bits) { return std::min(bits + 126 - int{scale}, 126); }

/// The scale that values need. NaN has larger bits than infinity, and this larger than finite values.
inline std::uint8_t scale_of(const float* values, std::size_t count) {
  const Floats d;
  const Integers di;
  const std::size_t lanes = hn::Lanes(d);
  auto a = hn::Zero(di);
  auto b = hn::Zero(di);
  const auto magnitude = [&](std::size_t i) HWY_ATTR { return hn::BitCast(di, hn::Abs(hn::LoadU(d, values + i))); };
  std::size_t i = 0;
  for (; i + 2 * lanes <= count; i += 2 * lanes) {
    a = hn::Max(a, magnitude(i));
    b = hn::Max(b, magnitude(i + lanes));
  }
  std::int32_t largest = hn::GetLane(hn::MaxOfLanes(di, hn::Max(a, b)));
  for (; i < count; ++i) largest = std::max(largest, std::bit_cast<std::int32_t>(values[i]) & 0x7fffffff);
  return static_cast<std::uint8_t>(largest >> 23);
}

HWY_INLINE void add_vector(const float* values, std::int32_t* sums, hn::Vec<Floats> factor) {
  const Integers di;
  const auto integers = hn::NearestInt(hn::Mul(hn::LoadU(Floats(), values), factor));
  hn::StoreU(hn::Add(hn::LoadU(di, sums), integers), di, sums);
}

inline void add_block(const float* values, std::int32_t* sums, std::size_t count, float power) {
  const Floats d;
  const std::size_t lanes = hn::Lanes(d);
  const auto factor = hn::Set(d, power);
  std::size_t i = 0;
  for (; i + lanes <= count; i += lanes) add_vector(values + i, sums + i, factor);
  if (i == count) return;
  float rest[kMaxVectorBytes / sizeof(float)] = {};
  std::int32_t rest_sums[kMaxVectorBytes / sizeof(float)] = {};
  std::memcpy(rest, values + i, (count - i) * sizeof(float));
  std::memcpy(rest_sums, sums + i, (count - i) * sizeof(std::int32_t));
  add_vector(rest, rest_sums, factor);
  std::memcpy(sums + i, rest_sums, (count - i) * sizeof(std::int32_t));
}

void add_on_target(const float* values, std::size_t count, std::int32_t* sums, const std::uint8_t* scales,
                   std::uint8_t* largest, int bits) {
  for (std::size_t b = 0; b * kNormBlock < count; ++b) {
    const std::size_t first = b * kNormBlock;
    const std::size_t size = std::min(kNormBlock, count - first);
    const std::uint8_t needed = scale_of(values + first, size);
    largest[b] = std::max(largest[b], needed);
    if (needed <= scales[b] && needed != kNotFiniteScale)
      add_block(values + first, sums + first, size, power_of_two(exponent_of(scales[b], bits)));
  }
}

void values_on_target(const std::int32_t* sums, std::size_t count, float* values, const std::uint8_t* scales,
                      int bits) {
  const Floats d;
  const Integers di;
  const std::size_t lanes = hn::Lanes(d);
  for (std::size_t b = 0; b * kNormBlock < count; ++b) {
    const float power = power_of_two(-exponent_of(scales[b], bits));
    const auto factor = hn::Set(d, power);
    const std::size_t end = std::min(count, (b + 1) * kNormBlock);
    std::size_t i = b * kNormBlock;
    for (; i + lanes <= end; i += lanes)
      hn::StoreU(hn::Mul(hn::ConvertTo(d, hn::LoadU(di, sums + i)), factor), d, values + i);
    for (; i < end; ++i) values[i] = static_cast<float>(sums[i]) * power;
  }
}

}  // namespace tutti::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace tutti {

HWY_EXPORT(add_on_target);
HWY_EXPORT(values_on_target);

namespace {

void require_blocks_of(std::string_view kernel, const ConstBuffer& values, std::size_t sums, std::size_t scales,
                       int bits) {
  const std::size_t blocks = (values.count + kNormBlock - 1) / kNormBlock;
  if (values.dtype != DType::f32) throw InvalidArgument(text(kernel, ": values are ", name(values.dtype), ", not f32"));
  if (sums != values.count) throw InvalidArgument(text(kernel, ": ", values.count, " values and ", sums, " sums"));
  if (scales != blocks) throw InvalidArgument(text(kernel, ": ", blocks, " blocks and ", scales, " scales"));
  if (bits < integer_bits(kMostAddends) || bits > integer_bits(1))
    throw InvalidArgument(text(kernel, ": bits = ", bits, " is out of range"));
}

}  // namespace

int integer_bits(std::uint64_t addends) noexcept {
  const auto log2 = static_cast<int>(std::bit_width(addends - 1));
  return (log2 <= 7 ? 31 : 30) - log2;
}

void add_as_integers(ConstBuffer values, std::span<std::int32_t> sums, std::span<const std::uint8_t> scales,
                     std::span<std::uint8_t> largest, int bits) {
  require_blocks_of("add_as_integers", values, sums.size(), scales.size(), bits);
  require_blocks_of("add_as_integers", values, sums.size(), largest.size(), bits);
  HWY_DYNAMIC_DISPATCH(add_on_target)
  (static_cast<const float*>(values.data), values.count, sums.data(), scales.data(), largest.data(), bits);
}

void integers_to_values(std::span<const std::int32_t> sums, Buffer values, std::span<const std::uint8_t> scales,
                        int bits) {
  require_blocks_of("integers_to_values", values, sums.size(), scales.size(), bits);
  HWY_DYNAMIC_DISPATCH(values_on_target)
  (sums.data(), values.count, static_cast<float*>(values.data), scales.data(), bits);
}

}  // namespace tutti
#endif
