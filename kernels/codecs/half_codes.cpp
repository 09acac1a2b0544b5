// Per value: reads value and residual, writes residual and code.
#include <tutti/kernels/codecs/half_codes.hpp>

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>

#include <tutti/kernels/error.hpp>
#include <tutti/kernels/text.hpp>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "tutti/kernels/codecs/half_codes.cpp"
#include <hwy/foreach_target.h>
// Highway's own headers, and ours that are compiled per instruction set, come after foreach_target.h.
#include <hwy/highway.h>

#include <tutti/kernels/codecs/draws-inl.hpp>
#include <tutti/kernels/codecs/groups-inl.hpp>

HWY_BEFORE_NAMESPACE();
namespace tutti::HWY_NAMESPACE {

using HalfBits = hn::Rebind<std::uint16_t, CodeFloats>;

/// NaN must be one_nan(), whose upper half survives.
template <bool kStochastic>
struct Bf16Code {
  static constexpr bool kDraws = kStochastic;
  static constexpr std::uint32_t kLargest = 0x7f7f0000U;
  static constexpr std::uint32_t kFirstBeyond = kStochastic ? kLargest + 1 : 0x7f7f8000U;  // may become infinity

  static HWY_INLINE hn::Vec<HalfBits> round(CodeVector p, const std::uint16_t* draws) {
    auto bits = hn::BitCast(CodeBits(), p);
    if constexpr (kStochastic) {
      // As many bits are rounded away as are drawn; none of what is not finite.
      bits = hn::Add(bits, draw_bits(draws));
    } else {
      bits = round_upper_half(p);
    }
    return hn::DemoteTo(HalfBits(), hn::BitCast(CodeIntegers(), hn::ShiftRight<16>(bits)));
  }
  static HWY_INLINE CodeVector number(hn::Vec<HalfBits> half) {
    return hn::BitCast(CodeFloats(), hn::ShiftLeft<16>(hn::PromoteTo(CodeBits(), half)));
  }
};

struct F16Code {
  static constexpr bool kDraws = false;
  static constexpr std::uint32_t kLargest = 0x477fe000U;  // 65504
  static constexpr std::uint32_t kFirstBeyond = 0x477ff000U;

  static HWY_INLINE hn::Vec<HalfBits> round(CodeVector p, const std::uint16_t* /*draws*/) {
    return round_to_f16(CodeFloats(), p);
  }
  static HWY_INLINE CodeVector number(hn::Vec<HalfBits> half) { return f32_from_f16(CodeFloats(), half); }
};

template <class Half, bool kSaturates>
struct HalfStep {
  static constexpr std::size_t kBytes = 2 * kGroup;
  static constexpr bool kCounts = true;
  static constexpr bool kAlone = true;
  static constexpr bool kDraws = Half::kDraws;

  HWY_INLINE CodeVector code(std::size_t k, CodeVector p, const std::uint16_t* draws, std::uint8_t* codes,
                             std::uint64_t& saturated) const {
    const CodeFloats d;
    const CodeIntegers di;
    const auto magnitude = hn::BitCast(di, hn::Abs(p));
    const auto is_finite = hn::Lt(magnitude, hn::Set(di, static_cast<std::int32_t>(kInfinityBits)));
    const auto is_beyond =
        hn::And(is_finite, hn::Gt(magnitude, hn::Set(di, static_cast<std::int32_t>(Half::kFirstBeyond - 1))));
    saturated += hn::CountTrue(di, is_beyond);
    auto sent = p;
    if constexpr (kSaturates) {
      const auto largest = hn::Set(d, std::bit_cast<float>(Half::kLargest));
      const auto above = hn::And(is_finite, hn::Gt(magnitude, hn::Set(di, static_cast<std::int32_t>(Half::kLargest))));
      sent = hn::IfThenElse(hn::RebindMask(d, above), hn::CopySign(largest, p), p);
    }
    const auto half = Half::round(sent, draws);
    hn::StoreU(half, HalfBits(), reinterpret_cast<std::uint16_t*>(codes) + k * kGroupLanes);
    return Half::number(half);
  }

  HWY_INLINE CodeVector value(std::size_t k, const std::uint8_t* codes) const {
    return Half::number(hn::LoadU(HalfBits(), reinterpret_cast<const std::uint16_t*>(codes) + k * kGroupLanes));
  }
};

template <class Half, bool kResidual>
CodeSums encode_halves(const EncodeArguments& call) {
  CodeTotals totals = CodeTotals::zero();
  Draws draws;
  const HalfStep<Half, kResidual> step;
  for (std::size_t first = 0; first < call.count; first += kChunk) {
    const std::size_t count = std::min(kChunk, call.count - first);
    if constexpr (Half::kDraws) draws.fill(call.draw, first, count);
    encode_chunk<kResidual>(step, call.values + first, kResidual ? call.residual + first : nullptr, count,
                            draws.halves(), call.out + 2 * first, totals);
  }
  return totals.sums();
}

template <class Half>
CodeSums encode_halves_of(const EncodeArguments& call) {
  return call.residual != nullptr ? encode_halves<Half, true>(call) : encode_halves<Half, false>(call);
}

template <class Half>
void decode_halves(const DecodeArguments& call) {
  const HalfStep<Half, false> step;
  if (call.adds) return decode_values<true>(step, call.in, call.values, call.count);
  decode_values<false>(step, call.in, call.values, call.count);
}

CodeSums encode_halves_on_target(const HalfCode& code, const EncodeArguments& call) {
  if (code.format == DType::f16) return encode_halves_of<F16Code>(call);
  return code.stochastic ? encode_halves_of<Bf16Code<true>>(call) : encode_halves_of<Bf16Code<false>>(call);
}

void decode_halves_on_target(const HalfCode& code, const DecodeArguments& call) {
  if (code.format == DType::f16) return decode_halves<F16Code>(call);
  decode_halves<Bf16Code<false>>(call);
}

}  // namespace tutti::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace tutti {

HWY_EXPORT(encode_halves_on_target);
HWY_EXPORT(decode_halves_on_target);

namespace {

void require_half_code(const HalfCode& code) {
  if (!is_half(code.format)) throw InvalidArgument(text("half codes: ", name(code.format), " is neither bf16 nor f16"));
  if (code.stochastic && code.format != DType::bf16)
    throw InvalidArgument("half codes: f16 is rounded to nearest only");
}

}  // namespace

CodeSums encode(const HalfCode& code, std::span<const float> values, std::span<float> residual, const Draw& draw,
                std::span<std::byte> out) {
  require_half_code(code);
  return HWY_DYNAMIC_DISPATCH(encode_halves_on_target)(
      code, detail::encode_arguments(values, residual, draw, out, encoded_bytes(code, values.size())));
}

void decode(const HalfCode& code, std::span<const std::byte> in, std::span<float> values, bool adds) {
  require_half_code(code);
  HWY_DYNAMIC_DISPATCH(decode_halves_on_target)
  (code, detail::decode_arguments(in, values, encoded_bytes(code, values.size()), adds));
}

}  // namespace tutti
#endif
