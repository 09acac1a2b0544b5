// The 16-bit floating-point types and NaN in SIMD vectors.
//
// The same source is compiled once per instruction set (Highway includes it again and again, hence the guard that
// flips), and must give the same bits on each of them.
#if defined(TUTTI_KERNELS_FLOATS_INL_HPP_) == defined(HWY_TARGET_TOGGLE)
#ifdef TUTTI_KERNELS_FLOATS_INL_HPP_
#undef TUTTI_KERNELS_FLOATS_INL_HPP_
#else
#define TUTTI_KERNELS_FLOATS_INL_HPP_
#endif

#include <cstddef>
#include <cstdint>
#include <limits>

#include <hwy/highway.h>

HWY_BEFORE_NAMESPACE();
namespace tutti::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

/// The widest vector of lanes T, but not above 64 bytes, so that a vector fits a small array everywhere.
inline constexpr std::size_t kMaxVectorBytes = 64;
template <class T>
using Tag = hn::CappedTag<T, kMaxVectorBytes / sizeof(T)>;

/// `v`, with every NaN replaced by the one with positive sign and no payload. Which NaN an operation yields depends on
/// the processor and on the order in which the compiler puts the operands; results that are stored must not.
template <class V>
HWY_INLINE V one_nan(V v) {
  return hn::IfThenElse(hn::IsNaN(v), hn::Set(hn::DFromV<V>(), std::numeric_limits<hn::TFromV<V>>::quiet_NaN()), v);
}

/// The bits of f32 lanes such that their upper halves are the nearest bf16, ties to even; the lower halves are to be
/// thrown away. NaN must be one_nan(), whose upper half survives.
template <class V>
HWY_INLINE auto round_upper_half(V v) {
  const hn::RebindToUnsigned<hn::DFromV<V>> du;
  const auto bits = hn::BitCast(du, v);
  const auto odd = hn::And(hn::ShiftRight<16>(bits), hn::Set(du, 1U));
  return hn::Add(bits, hn::Add(odd, hn::Set(du, 0x7fffU)));
}

// x86 has instructions for f16 from AVX2 on (F16C); they do what the portable versions below do. Highway's own
// emulation elsewhere does not round to nearest, so it is not used.
#if HWY_ARCH_X86 && HWY_TARGET <= HWY_AVX2

/// f32 lanes rounded to the nearest f16, ties to even; NaN becomes quiet and keeps sign and upper payload.
template <class D, class V>
HWY_INLINE auto round_to_f16(D /*d*/, V v) {
  const hn::Rebind<hwy::float16_t, D> df16;
  return hn::BitCast(hn::RebindToUnsigned<decltype(df16)>(), hn::DemoteTo(df16, v));
}

template <class D, class V>
HWY_INLINE auto f32_from_f16(D d, V v) {
  return hn::PromoteTo(d, hn::BitCast(hn::Rebind<hwy::float16_t, D>(), v));
}

#else

template <class D, class V>
HWY_INLINE auto round_to_f16(D d, V v) {
  const hn::RebindToSigned<D> di;
  const auto bits = hn::BitCast(di, v);
  const auto magnitude = hn::And(bits, hn::Set(di, 0x7fffffff));
  // From 2^-14 on: drop 13 bits of the mantissa; what is rounded away may carry into the exponent.
  const auto odd = hn::And(hn::ShiftRight<13>(magnitude), hn::Set(di, 1));
  const auto normal = hn::ShiftRight<13>(hn::Add(magnitude, hn::Add(odd, hn::Set(di, 0xfff - 0x38000000))));
  // Below: a sum with 0.5 is rounded to a multiple of 2^-24, the smallest f16, by the addition itself.
  const auto shifted = hn::Add(hn::BitCast(d, magnitude), hn::Set(d, 0.5F));
  const auto subnormal = hn::Sub(hn::BitCast(di, shifted), hn::Set(di, 0x3f000000));
  const auto quiet = hn::Or(hn::Set(di, 0x7e00), hn::And(hn::ShiftRight<13>(magnitude), hn::Set(di, 0x3ff)));
  auto half = hn::IfThenElse(hn::Lt(magnitude, hn::Set(di, 0x38800000)), subnormal, normal);
  half = hn::IfThenElse(hn::Gt(magnitude, hn::Set(di, 0x477fefff)), hn::Set(di, 0x7c00), half);  // from 65520 on
  half = hn::IfThenElse(hn::Gt(magnitude, hn::Set(di, 0x7f800000)), quiet, half);
  const auto sign = hn::And(hn::ShiftRight<16>(bits), hn::Set(di, 0x8000));
  return hn::DemoteTo(hn::Rebind<std::uint16_t, D>(), hn::Or(sign, half));
}

template <class D, class V>
HWY_INLINE auto f32_from_f16(D d, V v) {
  const hn::RebindToSigned<D> di;
  const auto bits = hn::PromoteTo(di, v);
  const auto magnitude = hn::And(bits, hn::Set(di, 0x7fff));
  const auto wide = hn::ShiftLeft<13>(magnitude);
  const auto normal = hn::Add(wide, hn::Set(di, 0x38000000));
  const auto subnormal = hn::BitCast(di, hn::Mul(hn::ConvertTo(d, magnitude), hn::Set(d, 0x1p-24F)));
  const auto infinity = hn::Or(wide, hn::Set(di, 0x7f800000));
  const auto quiet = hn::Or(infinity, hn::Set(di, 0x400000));
  auto single = hn::IfThenElse(hn::Lt(magnitude, hn::Set(di, 0x400)), subnormal, normal);
  single = hn::IfThenElse(hn::Gt(magnitude, hn::Set(di, 0x7bff)), infinity, single);
  single = hn::IfThenElse(hn::Gt(magnitude, hn::Set(di, 0x7c00)), quiet, single);
  const auto sign = hn::ShiftLeft<16>(hn::And(bits, hn::Set(di, 0x8000)));
  return hn::BitCast(d, hn::Or(single, sign));
}

#endif

}  // namespace tutti::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif
