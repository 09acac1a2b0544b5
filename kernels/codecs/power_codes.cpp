// Per value: reads value and residual twice, the second time in a cache, writes residual and code.
#include <tutti/kernels/codecs/power_codes.hpp>

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "tutti/kernels/codecs/power_codes.cpp"
#include <hwy/foreach_target.h>
// Highway's own headers, and ours that are compiled per instruction set, come after foreach_target.h.
#include <hwy/highway.h>

#include <tutti/kernels/codecs/draws-inl.hpp>
#include <tutti/kernels/codecs/groups-inl.hpp>

HWY_BEFORE_NAMESPACE();
namespace tutti::HWY_NAMESPACE {

inline constexpr std::int32_t kPowers = 127;           // that a block has codes for
inline constexpr std::int32_t kHighestExponent = 254;  // of f32, with its bias

template <bool kStochastic>
struct PowerStep {
  static constexpr std::size_t kBytes = kGroup;
  static constexpr bool kCounts = true;
  static constexpr bool kAlone = false;
  static constexpr bool kDraws = kStochastic;

  std::int32_t least;     ///< exponent of the least power, with its bias: from 1 to 128 where values are encoded
  bool is_large = false;  ///< whether values are at least 2^127

  HWY_INLINE CodeVector code(std::size_t k, CodeVector p, const std::uint16_t* draws, std::uint8_t* codes,
                             std::uint64_t& saturated) const {
    const CodeFloats d;
    const CodeIntegers di;
    const auto magnitude = hn::BitCast(di, hn::Abs(p));
    if (HWY_UNLIKELY(is_large)) saturated += hn::CountTrue(di, hn::Gt(magnitude, hn::Set(di, kHighestExponent << 23)));
    // Above a power the bits of the fraction are the probability of the next.
    auto addend = hn::Set(di, 0x400000);
    // Below the least power, which is scaled to 1: exact, as the factor is a power of two.
    const auto part = hn::Mul(hn::BitCast(d, magnitude), hn::Set(d, std::bit_cast<float>((254 - least) << 23)));
    auto is_up = hn::Ge(part, hn::Set(d, 0.5F));
    if constexpr (kStochastic) {
      addend = hn::BitCast(di, hn::Add(hn::ShiftLeft<7>(draw_bits(draws)), hn::Set(CodeBits(), 64U)));
      is_up = hn::Lt(uniforms(draws), part);
    }
    const auto above = hn::Min(hn::ShiftRight<23>(hn::Add(magnitude, addend)), hn::Set(di, kHighestExponent));
    const auto below = hn::IfThenElseZero(hn::RebindMask(di, is_up), hn::Set(di, least));
    const auto exponent = hn::IfThenElse(hn::Lt(magnitude, hn::Set(di, least << 23)), below, above);
    const auto sign = hn::And(hn::BitCast(di, hn::ShiftRight<24>(hn::BitCast(CodeBits(), p))), hn::Set(di, 0x80));
    const auto steps = hn::Sub(exponent, hn::Set(di, least - 1));
    const auto all = hn::Or(hn::IfThenElseZero(hn::Gt(exponent, hn::Zero(di)), steps), sign);
    const hn::Rebind<std::uint8_t, CodeIntegers> bytes;
    hn::StoreU(hn::DemoteTo(bytes, all), bytes, codes + k * kGroupLanes);
    return number(all);
  }

  HWY_INLINE CodeVector value(std::size_t k, const std::uint8_t* codes) const {
    const hn::Rebind<std::uint8_t, CodeIntegers> bytes;
    return number(hn::PromoteTo(CodeIntegers(), hn::LoadU(bytes, codes + k * kGroupLanes)));
  }

 private:
  HWY_INLINE CodeVector number(hn::Vec<CodeIntegers> code) const {
    const CodeIntegers di;
    const auto steps = hn::And(code, hn::Set(di, 0x7f));
    const auto exponent = hn::Min(hn::Add(steps, hn::Set(di, least - 1)), hn::Set(di, kHighestExponent));
    const auto magnitude = hn::IfThenElseZero(hn::Gt(steps, hn::Zero(di)), hn::ShiftLeft<23>(exponent));
    return hn::BitCast(CodeFloats(), hn::Or(magnitude, hn::ShiftLeft<24>(hn::And(code, hn::Set(di, 0x80)))));
  }
};

inline constexpr std::uint8_t kNoPower = 255;  // in the header of a block that is not finite

template <bool kResidual, bool kStochastic>
CodeSums encode_powers(const PowerCode& code, const EncodeArguments& call) {
  CodeTotals totals = CodeTotals::zero();
  Draws draws;
  std::uint8_t* out = call.out;
  for (std::size_t first = 0; first < call.count; first += code.block) {
    const std::size_t count = std::min(code.block, call.count - first);
    const float* values = call.values + first;
    float* residual = kResidual ? call.residual + first : nullptr;
    const std::uint32_t largest = largest_magnitude<kResidual>(values, residual, count);
    if (largest >= kInfinityBits) {
      *out++ = kNoPower;
      std::memset(out, 0, count);
      out += count;
      continue;
    }
    const auto highest = std::min(static_cast<std::int32_t>(largest >> 23) + 1, kHighestExponent);
    const PowerStep<kStochastic> step = {.least = std::max(highest - kPowers + 1, 1),
                                         .is_large = largest >> 23 == kHighestExponent};
    *out++ = static_cast<std::uint8_t>(step.least);
    for (std::size_t i = 0; i < count; i += kChunk) {
      const std::size_t size = std::min(kChunk, count - i);
      if constexpr (kStochastic) draws.fill(call.draw, first + i, size);
      encode_chunk<kResidual>(step, values + i, kResidual ? residual + i : nullptr, size, draws.halves(), out, totals);
      out += size;
    }
  }
  return totals.sums();
}

template <bool kAdds>
void decode_powers(const PowerCode& code, const DecodeArguments& call) {
  const std::uint8_t* in = call.in;
  for (std::size_t first = 0; first < call.count; first += code.block) {
    const std::size_t count = std::min(code.block, call.count - first);
    if (*in == kNoPower)
      fill_with_nan(call.values + first, count);
    else
      decode_values<kAdds>(PowerStep<false>{.least = std::max(std::int32_t{*in}, 1)}, in + 1, call.values + first,
                           count);
    in += 1 + count;
  }
}

CodeSums encode_powers_on_target(const PowerCode& code, const EncodeArguments& call) {
  const bool has_residual = call.residual != nullptr;
  if (code.stochastic)
    return has_residual ? encode_powers<true, true>(code, call) : encode_powers<false, true>(code, call);
  return has_residual ? encode_powers<true, false>(code, call) : encode_powers<false, false>(code, call);
}

void decode_powers_on_target(const PowerCode& code, const DecodeArguments& call) {
  if (call.adds) return decode_powers<true>(code, call);
  decode_powers<false>(code, call);
}

}  // namespace tutti::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace tutti {

HWY_EXPORT(encode_powers_on_target);
HWY_EXPORT(decode_powers_on_target);

CodeSums encode(const PowerCode& code, std::span<const float> values, std::span<float> residual, const Draw& draw,
                std::span<std::byte> out) {
  detail::require_block(code.block);
  return HWY_DYNAMIC_DISPATCH(encode_powers_on_target)(
      code, detail::encode_arguments(values, residual, draw, out, encoded_bytes(code, values.size())));
}

void decode(const PowerCode& code, std::span<const std::byte> in, std::span<float> values, bool adds) {
  detail::require_block(code.block);
  HWY_DYNAMIC_DISPATCH(decode_powers_on_target)
  (code, detail::decode_arguments(in, values, encoded_bytes(code, values.size()), adds));
}

}  // namespace tutti
#endif
