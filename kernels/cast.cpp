// Conversion between f32 and the 16-bit types. Per element, to 16 bits reads 4 bytes and writes 2, back reads 2 and
// writes 4.
#include <tutti/kernels/cast.hpp>

#include <bit>
#include <cstring>

#include <tutti/kernels/error.hpp>
#include <tutti/kernels/text.hpp>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "tutti/kernels/cast.cpp"
#include <hwy/foreach_target.h>
// Highway's own headers, and ours that are compiled per instruction set, come after foreach_target.h.
#include <hwy/highway.h>

#include <tutti/kernels/floats-inl.hpp>

HWY_BEFORE_NAMESPACE();
namespace tutti::HWY_NAMESPACE {

// How one type is loaded into lanes of f32, and stored from them.
struct F32 {
  using Stored = float;
  template <class D>
  static HWY_INLINE hn::Vec<D> load(D d, const Stored* from) {
    return hn::LoadU(d, from);
  }
  template <class D>
  static HWY_INLINE void store(hn::Vec<D> v, D d, Stored* to) {
    hn::StoreU(v, d, to);
  }
};

struct Bf16 {
  using Stored = std::uint16_t;
  template <class D>
  static HWY_INLINE hn::Vec<D> load(D d, const Stored* from) {
    const hn::RebindToUnsigned<D> du;
    return hn::BitCast(d, hn::ShiftLeft<16>(hn::PromoteTo(du, hn::LoadU(hn::Rebind<Stored, D>(), from))));
  }
  template <class D>
  static HWY_INLINE void store(hn::Vec<D> v, D /*d*/, Stored* to) {
    const hn::RebindToUnsigned<D> du;
    const hn::RebindToSigned<D> di;
    const auto quiet = hn::Or(hn::BitCast(du, v), hn::Set(du, 0x400000U));
    const auto bits = hn::IfThenElse(hn::RebindMask(du, hn::IsNaN(v)), quiet, round_upper_half(v));
    const hn::Rebind<Stored, D> du16;
    hn::StoreU(hn::DemoteTo(du16, hn::BitCast(di, hn::ShiftRight<16>(bits))), du16, to);
  }
};

struct F16 {
  using Stored = std::uint16_t;
  template <class D>
  static HWY_INLINE hn::Vec<D> load(D d, const Stored* from) {
    return f32_from_f16(d, hn::LoadU(hn::Rebind<Stored, D>(), from));
  }
  template <class D>
  static HWY_INLINE void store(hn::Vec<D> v, D d, Stored* to) {
    hn::StoreU(round_to_f16(d, v), hn::Rebind<Stored, D>(), to);
  }
};

template <class From, class To>
void convert(const void* in, void* out, std::size_t count) {
  using In = typename From::Stored;
  using Out = typename To::Stored;
  const Tag<float> d;
  const std::size_t lanes = hn::Lanes(d);
  const auto* from = static_cast<const In*>(in);
  auto* to = static_cast<Out*>(out);
  if (count < lanes) {
    In in_lanes[kMaxVectorBytes / sizeof(float)] = {};
    Out out_lanes[kMaxVectorBytes / sizeof(float)];
    std::memcpy(in_lanes, from, count * sizeof(In));
    To::store(From::load(d, in_lanes), d, out_lanes);
    std::memcpy(to, out_lanes, count * sizeof(Out));
    return;
  }
  // The last vector may overlap the one before: the same elements are then written twice.
  const std::size_t tail = count - lanes;
  for (std::size_t i = 0; i < tail; i += lanes) To::store(From::load(d, from + i), d, to + i);
  To::store(From::load(d, from + tail), d, to + tail);
}

void bf16_from_f32_on_target(const void* in, void* out, std::size_t n) { convert<F32, Bf16>(in, out, n); }
void f16_from_f32_on_target(const void* in, void* out, std::size_t n) { convert<F32, F16>(in, out, n); }
void f32_from_bf16_on_target(const void* in, void* out, std::size_t n) { convert<Bf16, F32>(in, out, n); }
void f32_from_f16_on_target(const void* in, void* out, std::size_t n) { convert<F16, F32>(in, out, n); }

}  // namespace tutti::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace tutti {

HWY_EXPORT(bf16_from_f32_on_target);
HWY_EXPORT(f16_from_f32_on_target);
HWY_EXPORT(f32_from_bf16_on_target);
HWY_EXPORT(f32_from_f16_on_target);

float to_f32(float16 x) noexcept {
  const std::uint32_t sign = std::uint32_t{x.bits & 0x8000U} << 16;
  const std::uint32_t magnitude = x.bits & 0x7fffU;
  if (magnitude > 0x7c00U) return std::bit_cast<float>(sign | 0x7fc00000U | (magnitude << 13));
  if (magnitude == 0x7c00U) return std::bit_cast<float>(sign | 0x7f800000U);
  if (magnitude >= 0x400U) return std::bit_cast<float>(sign | ((magnitude << 13) + 0x38000000U));
  return std::bit_cast<float>(sign | std::bit_cast<std::uint32_t>(static_cast<float>(magnitude) * 0x1p-24F));
}

float16 to_f16(float x) noexcept {
  const auto bits = std::bit_cast<std::uint32_t>(x);
  const std::uint32_t magnitude = bits & 0x7fffffffU;
  std::uint32_t half = 0;
  if (magnitude > 0x7f800000U) {
    half = 0x7e00U | ((magnitude >> 13) & 0x3ffU);
  } else if (magnitude >= 0x477ff000U) {  // 65520 and more round to infinity
    half = 0x7c00U;
  } else if (magnitude >= 0x38800000U) {  // from 2^-14 on; what is rounded away may carry into the exponent
    half = (magnitude - 0x38000000U + 0xfffU + ((magnitude >> 13) & 1U)) >> 13;
  } else {  // a sum with 0.5 is rounded to a multiple of 2^-24, the smallest f16, by the addition itself
    half = std::bit_cast<std::uint32_t>(std::bit_cast<float>(magnitude) + 0.5F) - 0x3f000000U;
  }
  return {static_cast<std::uint16_t>(((bits >> 16) & 0x8000U) | half)};
}

void cast(ConstBuffer in, Buffer out) {
  if (in.space != MemorySpace::host || out.space != MemorySpace::host) {
    throw InvalidArgument("cast: the buffers must be in host memory");
  }
  if (in.count != out.count) {
    throw InvalidArgument(text("cast: the input has ", in.count, " elements, the output ", out.count));
  }
  const bool to_bf16 = in.dtype == DType::f32 && out.dtype == DType::bf16;
  const bool to_f16 = in.dtype == DType::f32 && out.dtype == DType::f16;
  const bool from_bf16 = in.dtype == DType::bf16 && out.dtype == DType::f32;
  const bool from_f16 = in.dtype == DType::f16 && out.dtype == DType::f32;
  if (!to_bf16 && !to_f16 && !from_bf16 && !from_f16) {
    throw InvalidArgument(text("cast: no conversion from ", name(in.dtype), " to ", name(out.dtype)));
  }
  if (in.count == 0) return;
  if (to_bf16) HWY_DYNAMIC_DISPATCH(bf16_from_f32_on_target)(in.data, out.data, in.count);
  if (to_f16) HWY_DYNAMIC_DISPATCH(f16_from_f32_on_target)(in.data, out.data, in.count);
  if (from_bf16) HWY_DYNAMIC_DISPATCH(f32_from_bf16_on_target)(in.data, out.data, in.count);
  if (from_f16) HWY_DYNAMIC_DISPATCH(f32_from_f16_on_target)(in.data, out.data, in.count);
}

}  // namespace tutti
#endif
