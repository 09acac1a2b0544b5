// Per value: reads value and residual twice, the second time in a cache, writes residual and code.
#include <tutti/kernels/codecs/small_floats.hpp>

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "tutti/kernels/codecs/small_floats.cpp"
#include <hwy/foreach_target.h>
// Highway's own headers, and ours that are compiled per instruction set, come after foreach_target.h.
#include <hwy/highway.h>

#include <tutti/kernels/codecs/groups-inl.hpp>

HWY_BEFORE_NAMESPACE();
namespace tutti::HWY_NAMESPACE {

/// A sign, an exponent and kFraction bits of fraction, without infinities: they are beyond the largest value.
template <int kFractionBits, int kExponentBias, int kLargestExponent>
struct SmallFormat {
  static constexpr int kShift = 23 - kFractionBits;
  static constexpr std::int32_t kBias = (127 - kExponentBias) << 23;        // between exponents of f32 and of these
  static constexpr std::int32_t kNormal = (127 - kExponentBias + 1) << 23;  // bits of the smallest normal number
  static constexpr int kQuantum = 1 - kExponentBias - kFractionBits;        // exponent of the smallest number
  static constexpr int kMost = kLargestExponent;              // the largest number is 1.75 times its power
  static constexpr std::int32_t kLargestFraction = 0x600000;  // of 1.75 in f32
};
using E4m3 = SmallFormat<3, 7, 8>;
using E5m2 = SmallFormat<2, 15, 15>;

inline float power_of_two(std::int32_t exponent) { return std::bit_cast<float>((exponent + 127) << 23); }

/// Exponent of the scale of a block: from -126 to 120, so that it and its inverse are normal numbers.
template <class Format>
std::int32_t scale_exponent(std::uint32_t largest) {
  const auto bits = static_cast<std::int32_t>(largest);
  const std::int32_t exponent = (bits >> 23) - 127 - Format::kMost;
  return std::max((bits & 0x7fffff) > Format::kLargestFraction ? exponent + 1 : exponent, -126);
}

template <class Format>
struct SmallFloatStep {
  static constexpr std::size_t kBytes = kGroup;
  static constexpr bool kCounts = true;
  static constexpr bool kAlone = false;
  static constexpr bool kDraws = false;

  CodeVector scale, inverse;

  HWY_INLINE CodeVector code(std::size_t k, CodeVector p, const std::uint16_t* /*draws*/, std::uint8_t* codes,
                             std::uint64_t& /*saturated*/) const {
    const CodeFloats d;
    const CodeIntegers di;
    const auto scaled = hn::Mul(p, inverse);
    const auto magnitude = hn::BitCast(di, hn::Abs(scaled));
    // Normal numbers: drop bits of the fraction; what is rounded away may carry into the exponent.
    const auto odd = hn::And(hn::ShiftRight<Format::kShift>(magnitude), hn::Set(di, 1));
    constexpr std::int32_t kHalf = (1 << (Format::kShift - 1)) - 1;
    const auto normal =
        hn::ShiftRight<Format::kShift>(hn::Add(magnitude, hn::Add(odd, hn::Set(di, kHalf - Format::kBias))));
    // Below: a sum with this is rounded to a multiple of the smallest number by the addition itself.
    const float anchor = power_of_two(Format::kQuantum + 23);
    const auto shifted = hn::Add(hn::BitCast(d, magnitude), hn::Set(d, anchor));
    const auto subnormal = hn::Sub(hn::BitCast(di, shifted), hn::Set(di, std::bit_cast<std::int32_t>(anchor)));
    const auto small = hn::IfThenElse(hn::Lt(magnitude, hn::Set(di, Format::kNormal)), subnormal, normal);
    const auto sign = hn::And(hn::BitCast(di, hn::ShiftRight<24>(hn::BitCast(CodeBits(), p))), hn::Set(di, 0x80));
    const auto all = hn::Or(small, sign);
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
    const CodeFloats d;
    const CodeIntegers di;
    const auto magnitude = hn::And(code, hn::Set(di, 0x7f));
    const auto normal = hn::BitCast(d, hn::Add(hn::ShiftLeft<Format::kShift>(magnitude), hn::Set(di, Format::kBias)));
    const auto subnormal = hn::Mul(hn::ConvertTo(d, magnitude), hn::Set(d, power_of_two(Format::kQuantum)));
    const auto is_subnormal = hn::RebindMask(d, hn::Lt(magnitude, hn::Set(di, 1 << (23 - Format::kShift))));
    const auto value = hn::Mul(hn::IfThenElse(is_subnormal, subnormal, normal), scale);
    const auto sign = hn::ShiftLeft<24>(hn::And(code, hn::Set(di, 0x80)));
    return hn::Or(value, hn::BitCast(d, sign));
  }
};

inline constexpr std::uint8_t kNotFinite = 255;

template <class Format>
SmallFloatStep<Format> small_float_step(std::int32_t exponent) {
  const CodeFloats d;
  return {hn::Set(d, power_of_two(exponent)), hn::Set(d, power_of_two(-exponent))};
}

template <class Format, bool kResidual>
CodeSums encode_small_floats(const SmallFloatCode& code, const EncodeArguments& call) {
  CodeTotals totals = CodeTotals::zero();
  std::uint8_t* out = call.out;
  for (std::size_t first = 0; first < call.count; first += code.block) {
    const std::size_t count = std::min(code.block, call.count - first);
    const float* values = call.values + first;
    float* residual = kResidual ? call.residual + first : nullptr;
    const std::uint32_t largest = largest_magnitude<kResidual>(values, residual, count);
    if (largest >= kInfinityBits) {
      *out = kNotFinite;
      std::memset(out + 1, 0, count);
    } else {
      const std::int32_t exponent = scale_exponent<Format>(largest);
      *out = static_cast<std::uint8_t>(exponent + 127);
      encode_chunk<kResidual>(small_float_step<Format>(exponent), values, residual, count, nullptr, out + 1, totals);
    }
    out += 1 + count;
  }
  return totals.sums();
}

template <class Format, bool kAdds>
void decode_small_floats(const SmallFloatCode& code, const DecodeArguments& call) {
  const std::uint8_t* in = call.in;
  for (std::size_t first = 0; first < call.count; first += code.block) {
    const std::size_t count = std::min(code.block, call.count - first);
    if (*in == kNotFinite) {
      fill_with_nan(call.values + first, count);
    } else {
      const SmallFloatStep<Format> step = small_float_step<Format>(std::clamp(std::int32_t{*in} - 127, -126, 126));
      decode_values<kAdds>(step, in + 1, call.values + first, count);
    }
    in += 1 + count;
  }
}

CodeSums encode_small_floats_on_target(const SmallFloatCode& code, const EncodeArguments& call) {
  const bool has_residual = call.residual != nullptr;
  if (code.format == SmallFloatCode::Format::e4m3)
    return has_residual ? encode_small_floats<E4m3, true>(code, call) : encode_small_floats<E4m3, false>(code, call);
  return has_residual ? encode_small_floats<E5m2, true>(code, call) : encode_small_floats<E5m2, false>(code, call);
}

void decode_small_floats_on_target(const SmallFloatCode& code, const DecodeArguments& call) {
  if (code.format == SmallFloatCode::Format::e4m3)
    return call.adds ? decode_small_floats<E4m3, true>(code, call) : decode_small_floats<E4m3, false>(code, call);
  return call.adds ? decode_small_floats<E5m2, true>(code, call) : decode_small_floats<E5m2, false>(code, call);
}

}  // namespace tutti::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace tutti {

HWY_EXPORT(encode_small_floats_on_target);
HWY_EXPORT(decode_small_floats_on_target);

CodeSums encode(const SmallFloatCode& code, std::span<const float> values, std::span<float> residual, const Draw& draw,
                std::span<std::byte> out) {
  detail::require_block(code.block);
  return HWY_DYNAMIC_DISPATCH(encode_small_floats_on_target)(
      code, detail::encode_arguments(values, residual, draw, out, encoded_bytes(code, values.size())));
}

void decode(const SmallFloatCode& code, std::span<const std::byte> in, std::span<float> values, bool adds) {
  detail::require_block(code.block);
  HWY_DYNAMIC_DISPATCH(decode_small_floats_on_target)
  (code, detail::decode_arguments(in, values, encoded_bytes(code, values.size()), adds));
}

}  // namespace tutti
#endif
