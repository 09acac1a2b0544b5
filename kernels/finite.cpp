// Reads each byte once.
#include <tutti/kernels/finite.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "tutti/kernels/finite.cpp"
#include <hwy/foreach_target.h>
// Highway's own headers, and ours that are compiled per instruction set, come after foreach_target.h.
#include <hwy/highway.h>

HWY_BEFORE_NAMESPACE();
namespace tutti::HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;

/// A value is not finite where all bits of its exponent are set. Blocks are looked at without a branch inside.
template <class Bits>
std::size_t first_with(const Bits* values, std::size_t count, Bits exponent) {
  constexpr std::size_t kBlock = 4096;
  const hn::ScalableTag<Bits> d;
  const std::size_t lanes = hn::Lanes(d);
  const auto wanted = hn::Set(d, exponent);
  const auto bits = [&](std::size_t i) {  // the values are floats
    Bits its;
    std::memcpy(&its, values + i, sizeof its);
    return its & exponent;
  };
  const auto is_full = [&](std::size_t i) {
    return hn::VecFromMask(d, hn::Eq(hn::And(hn::LoadU(d, values + i), wanted), wanted));
  };
  for (std::size_t first = 0; first < count; first += kBlock) {
    const std::size_t end = std::min(count, first + kBlock);
    auto found = hn::Zero(d);
    std::size_t i = first;
    for (; i + 2 * lanes <= end; i += 2 * lanes) found = hn::Or(found, hn::Or(is_full(i), is_full(i + lanes)));
    bool any = !hn::AllTrue(d, hn::Eq(found, hn::Zero(d)));
    for (; i < end; ++i) any = any || bits(i) == exponent;
    for (i = first; any && i < end; ++i)
      if (bits(i) == exponent) return i;
  }
  return count;
}

std::size_t first_of_16_bits(const std::uint16_t* values, std::size_t count, std::uint16_t exponent) {
  return first_with(values, count, exponent);
}
std::size_t first_of_32_bits(const std::uint32_t* values, std::size_t count, std::uint32_t exponent) {
  return first_with(values, count, exponent);
}
std::size_t first_of_64_bits(const std::uint64_t* values, std::size_t count, std::uint64_t exponent) {
  return first_with(values, count, exponent);
}

}  // namespace tutti::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace tutti {

HWY_EXPORT(first_of_16_bits);
HWY_EXPORT(first_of_32_bits);
HWY_EXPORT(first_of_64_bits);

std::size_t first_not_finite(ConstBuffer values) noexcept {
  const std::size_t count = values.count;
  switch (values.dtype) {
    case DType::f64:
      return HWY_DYNAMIC_DISPATCH(first_of_64_bits)(static_cast<const std::uint64_t*>(values.data), count,
                                                    0x7ff0000000000000U);
    case DType::f32:
      return HWY_DYNAMIC_DISPATCH(first_of_32_bits)(static_cast<const std::uint32_t*>(values.data), count, 0x7f800000U);
    case DType::f16:
      return HWY_DYNAMIC_DISPATCH(first_of_16_bits)(static_cast<const std::uint16_t*>(values.data), count, 0x7c00U);
    case DType::bf16:
      return HWY_DYNAMIC_DISPATCH(first_of_16_bits)(static_cast<const std::uint16_t*>(values.data), count, 0x7f80U);
    default:
      return count;
  }
}

}  // namespace tutti
#endif
