// Per value: reads value and residual twice, the second time in a cache, writes residual and a bit.
#include <tutti/kernels/codecs/sign_codes.hpp>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "tutti/kernels/codecs/sign_codes.cpp"
#include <hwy/foreach_target.h>
// Highway's own headers, and ours that are compiled per instruction set, come after foreach_target.h.
#include <hwy/highway.h>

#include <tutti/kernels/codecs/groups-inl.hpp>

HWY_BEFORE_NAMESPACE();
namespace tutti::HWY_NAMESPACE {

struct SignStep {
  static constexpr std::size_t kBytes = kGroup / 8;
  static constexpr bool kCounts = false;
  static constexpr bool kAlone = false;
  static constexpr bool kDraws = false;

  CodeVector scale;

  HWY_INLINE CodeVector code(std::size_t k, CodeVector p, const std::uint16_t* /*draws*/, std::uint8_t* codes,
                             std::uint64_t& /*saturated*/) const {
    const CodeFloats d;
    const auto is_negative = hn::Lt(p, hn::Zero(d));
    alignas(8) std::uint8_t stored[8] = {};  // as many may be written
    hn::StoreMaskBits(d, is_negative, stored);
    std::uint16_t bits = 0;
    std::memcpy(&bits, stored, sizeof bits);
    std::uint16_t group = 0;
    if (k > 0) std::memcpy(&group, codes, sizeof group);
    group = static_cast<std::uint16_t>(group | (bits << (k * kGroupLanes)));
    std::memcpy(codes, &group, sizeof group);
    return hn::IfThenElse(is_negative, hn::Neg(scale), scale);
  }

  HWY_INLINE CodeVector value(std::size_t k, const std::uint8_t* codes) const {
    const CodeFloats d;
    const CodeBits du;
    std::uint16_t group = 0;
    std::memcpy(&group, codes, sizeof group);
    const auto bits = hn::Set(du, static_cast<std::uint32_t>(group) >> (k * kGroupLanes));
    const auto is_negative = hn::TestBit(bits, hn::Shl(hn::Set(du, 1U), hn::Iota(du, 0)));
    return hn::IfThenElse(hn::RebindMask(d, is_negative), hn::Neg(scale), scale);
  }
};

template <bool kResidual>
CodeSums encode_signs(const SignCode& code, const EncodeArguments& call) {
  CodeSums sums;
  CodeTotals unused = CodeTotals::zero();
  std::uint8_t* out = call.out;
  for (std::size_t first = 0; first < call.count; first += code.block) {
    const std::size_t count = std::min(code.block, call.count - first);
    const std::size_t code_bytes = (count + 7) / 8;
    const float* values = call.values + first;
    float* residual = kResidual ? call.residual + first : nullptr;
    const BlockSums block = sums_of_block<kResidual, true>(values, residual, count);
    if (!std::isfinite(block.magnitudes)) {
      std::memcpy(out, &kNanBits, sizeof kNanBits);
      std::memset(out + sizeof kNanBits, 0, code_bytes);
    } else {
      const auto size = static_cast<double>(count);
      const float scale = code.is_scaled ? static_cast<float>(block.magnitudes / size) : 1.0F;
      // The sum of (|p| - scale)^2, so nothing has to be summed while encoding.
      const auto wide = static_cast<double>(scale);
      sums.squares += block.squares;
      sums.errors += std::max(block.squares - 2.0 * wide * block.magnitudes + size * wide * wide, 0.0);
      const SignStep step = {hn::Set(CodeFloats(), scale)};
      std::memcpy(out, &scale, sizeof scale);
      encode_chunk<kResidual>(step, values, residual, count, nullptr, out + sizeof scale, unused);
    }
    out += sizeof(float) + code_bytes;
  }
  return sums;
}

template <bool kAdds>
void decode_signs(const SignCode& code, const DecodeArguments& call) {
  const std::uint8_t* in = call.in;
  for (std::size_t first = 0; first < call.count; first += code.block) {
    const std::size_t count = std::min(code.block, call.count - first);
    float scale = 0.0F;
    std::memcpy(&scale, in, sizeof scale);
    if (std::isnan(scale))
      fill_with_nan(call.values + first, count);
    else
      decode_values<kAdds>(SignStep{hn::Set(CodeFloats(), scale)}, in + sizeof scale, call.values + first, count);
    in += sizeof scale + (count + 7) / 8;
  }
}

CodeSums encode_signs_on_target(const SignCode& code, const EncodeArguments& call) {
  return call.residual != nullptr ? encode_signs<true>(code, call) : encode_signs<false>(code, call);
}

void decode_signs_on_target(const SignCode& code, const DecodeArguments& call) {
  if (call.adds) return decode_signs<true>(code, call);
  decode_signs<false>(code, call);
}

}  // namespace tutti::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace tutti {

HWY_EXPORT(encode_signs_on_target);
HWY_EXPORT(decode_signs_on_target);

CodeSums encode(const SignCode& code, std::span<const float> values, std::span<float> residual, const Draw& draw,
                std::span<std::byte> out) {
  detail::require_block(code.block);
  return HWY_DYNAMIC_DISPATCH(encode_signs_on_target)(
      code, detail::encode_arguments(values, residual, draw, out, encoded_bytes(code, values.size())));
}

void decode(const SignCode& code, std::span<const std::byte> in, std::span<float> values, bool adds) {
  detail::require_block(code.block);
  HWY_DYNAMIC_DISPATCH(decode_signs_on_target)
  (code, detail::decode_arguments(in, values, encoded_bytes(code, values.size()), adds));
}

}  // namespace tutti
#endif
