// Per value: reads value and residual twice, the second time in a cache, writes residual and code.
#include <tutti/kernels/codecs/integer_codes.hpp>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>

#include <tutti/kernels/error.hpp>
#include <tutti/kernels/text.hpp>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "tutti/kernels/codecs/integer_codes.cpp"
#include <hwy/foreach_target.h>
// Highway's own headers, and ours that are compiled per instruction set, come after foreach_target.h.
#include <hwy/highway.h>

#include <tutti/kernels/codecs/draws-inl.hpp>
#include <tutti/kernels/codecs/groups-inl.hpp>

HWY_BEFORE_NAMESPACE();
namespace tutti::HWY_NAMESPACE {

/// Of one block.
struct IntegerScale {
  float unit = 0.0F;
  float inverse = 0.0F;
  float bound = 0.0F;  ///< magnitudes beyond are clipped, if below infinity
};

inline IntegerScale integer_scale_of(const IntegerCode& code, float largest, double squares, std::size_t count) {
  const auto levels = static_cast<float>(code.levels);
  float scale = largest;
  IntegerScale result{.bound = std::numeric_limits<float>::infinity()};
  if (code.scale == IntegerCode::Scale::norm) {
    // At least the largest value, but finite: levels stay in range.
    const double most = std::numeric_limits<float>::max();
    scale = std::max(largest, static_cast<float>(std::min(std::sqrt(squares), most)));
  } else if (code.clip > 0.0) {
    const double bound = code.clip * std::sqrt(squares / static_cast<double>(count));
    if (bound < static_cast<double>(largest)) scale = result.bound = static_cast<float>(bound);
  }
  if (scale < kSmallestScale) return result;
  result.inverse = levels / scale;
  result.unit = scale / levels;
  // Rounding must not make the highest level infinite.
  if (std::isinf(result.unit * levels)) result.unit = std::nextafterf(result.unit, 0.0F);
  return result;
}

/// Integers as bytes.
template <bool kStochastic>
struct IntegerStep {
  static constexpr std::size_t kBytes = kGroup;
  static constexpr bool kCounts = true;
  static constexpr bool kAlone = false;
  static constexpr bool kDraws = kStochastic;

  CodeVector unit, inverse, bound, levels;

  HWY_INLINE CodeVector code(std::size_t k, CodeVector p, const std::uint16_t* draws, std::uint8_t* codes,
                             std::uint64_t& saturated) const {
    const CodeFloats d;
    const CodeIntegers di;
    auto integers = hn::Zero(di);
    if constexpr (kStochastic) {
      const auto magnitude = hn::Abs(p);
      saturated += hn::CountTrue(d, hn::Gt(magnitude, bound));
      const auto level = hn::Min(hn::Mul(magnitude, inverse), levels);
      const auto floor = hn::ConvertTo(di, level);
      const auto is_up = hn::Lt(uniforms(draws), hn::Sub(level, hn::ConvertTo(d, floor)));
      const auto rounded = hn::Sub(floor, hn::VecFromMask(di, hn::RebindMask(di, is_up)));
      integers = hn::IfThenElse(hn::RebindMask(di, hn::Lt(p, hn::Zero(d))), hn::Neg(rounded), rounded);
    } else {
      integers = hn::NearestInt(hn::Mul(p, inverse));
    }
    const hn::Rebind<std::int8_t, CodeIntegers> bytes;
    hn::StoreU(hn::DemoteTo(bytes, integers), bytes, reinterpret_cast<std::int8_t*>(codes) + k * kGroupLanes);
    return hn::Mul(hn::ConvertTo(d, integers), unit);
  }
};

/// What integers are decoded as.
template <std::size_t kBits>
struct PackedIntegers {
  static constexpr std::size_t kBytes = kGroup * kBits / 8;

  CodeVector unit;

  HWY_INLINE CodeVector value(std::size_t k, const std::uint8_t* codes) const {
    return hn::Mul(hn::ConvertTo(CodeFloats(), integers(k, codes)), unit);
  }

 private:
  HWY_INLINE hn::Vec<CodeIntegers> integers(std::size_t k, const std::uint8_t* codes) const {
    const CodeIntegers di;
    if constexpr (kBits == 8) {
      const hn::Rebind<std::int8_t, CodeIntegers> bytes;
      return hn::PromoteTo(di, hn::LoadU(bytes, reinterpret_cast<const std::int8_t*>(codes) + k * kGroupLanes));
    } else {
      // Each lane gets the word that has its integer, and shifts it to the top and down again, with its sign.
      constexpr std::size_t kInWord = 32 / kBits;
      constexpr std::size_t kWords = kGroup / kInWord;
      std::int32_t words[kWords];
      std::memcpy(words, codes, sizeof words);
      const std::size_t first = k * kGroupLanes;
      auto word = hn::Set(di, words[first / kInWord]);
      if constexpr (kGroupLanes > kInWord)
        word = hn::IfThenElse(hn::FirstN(di, kInWord), word, hn::Set(di, words[kWords - 1]));
      const auto place = hn::And(hn::Iota(di, static_cast<std::int32_t>(first)), hn::Set(di, kInWord - 1));
      const auto shift = hn::Sub(hn::Set(di, 32 - kBits), hn::Mul(place, hn::Set(di, kBits)));
      return hn::ShiftRight<32 - kBits>(hn::Shl(word, shift));
    }
  }
};

inline constexpr std::size_t kWordBytes = sizeof(std::uint64_t);

/// Eight integers that take a byte each, as kBits bits next to each other.
template <std::size_t kBits>
HWY_INLINE std::uint64_t pack_word(std::uint64_t word) {
  if constexpr (kBits == 2) {
    word &= 0x0303030303030303U;
    word = (word | (word >> 6)) & 0x000f000f000f000fU;
    word = (word | (word >> 12)) & 0x000000ff000000ffU;
    return (word | (word >> 24)) & 0xffffU;
  } else {
    word &= 0x0f0f0f0f0f0f0f0fU;
    word = (word | (word >> 4)) & 0x00ff00ff00ff00ffU;
    word = (word | (word >> 8)) & 0x0000ffff0000ffffU;
    return (word | (word >> 16)) & 0xffffffffU;
  }
}
/// `bytes` has room for whole words; the codes may end within one.
template <std::size_t kBits>
HWY_INLINE void pack_bytes(const std::uint8_t* bytes, std::size_t count, std::uint8_t* out) {
  const std::size_t whole = count / kWordBytes;
  const std::size_t rest = count % kWordBytes;
  std::uint64_t word = 0;
  for (std::size_t i = 0; i < whole; ++i) {
    std::memcpy(&word, bytes + i * kWordBytes, sizeof word);
    word = pack_word<kBits>(word);
    std::memcpy(out + i * kBits, &word, kBits);
  }
  if (rest == 0) return;
  std::memcpy(&word, bytes + whole * kWordBytes, sizeof word);
  word = pack_word<kBits>(word);
  std::memcpy(out + whole * kBits, &word, (rest * kBits + 7) / 8);
}
template <std::size_t kBits, bool kResidual, bool kStochastic>
CodeSums encode_integers(const IntegerCode& code, const EncodeArguments& call) {
  const CodeFloats d;
  const bool needs_squares = code.scale == IntegerCode::Scale::norm || code.clip > 0.0;
  CodeTotals totals = CodeTotals::zero();
  Draws draws;
  std::uint8_t* out = call.out;
  for (std::size_t first = 0; first < call.count; first += code.block) {
    const std::size_t count = std::min(code.block, call.count - first);
    const std::size_t code_bytes = (count * kBits + 7) / 8;
    const float* values = call.values + first;
    float* residual = kResidual ? call.residual + first : nullptr;
    const std::uint32_t largest = largest_magnitude<kResidual>(values, residual, count);
    if (largest >= kInfinityBits) {
      std::memcpy(out, &kNanBits, sizeof kNanBits);
      std::memset(out + sizeof kNanBits, 0, code_bytes);
      out += sizeof kNanBits + code_bytes;
      continue;
    }
    const double squares = needs_squares ? sums_of_block<kResidual, false>(values, residual, count).squares : 0.0;
    const IntegerScale scale = integer_scale_of(code, std::bit_cast<float>(largest), squares, count);
    const IntegerStep<kStochastic> step = {hn::Set(d, scale.unit), hn::Set(d, scale.inverse), hn::Set(d, scale.bound),
                                           hn::Set(d, static_cast<float>(code.levels))};
    std::memcpy(out, &scale.unit, sizeof scale.unit);
    out += sizeof scale.unit;
    for (std::size_t i = 0; i < count; i += kChunk) {
      const std::size_t size = std::min(kChunk, count - i);
      if constexpr (kStochastic) draws.fill(call.draw, first + i, size);
      std::uint8_t bytes[kChunk];
      std::uint8_t* codes = kBits == 8 ? out : bytes;
      encode_chunk<kResidual>(step, values + i, kResidual ? residual + i : nullptr, size, draws.halves(), codes,
                              totals);
      if constexpr (kBits != 8) {
        std::memset(bytes + size, 0, (kWordBytes - size % kWordBytes) % kWordBytes);
        pack_bytes<kBits>(bytes, size, out);
      }
      out += (size * kBits + 7) / 8;
    }
  }
  return totals.sums();
}

template <std::size_t kBits, bool kAdds>
void decode_integers(const IntegerCode& code, const DecodeArguments& call) {
  const std::uint8_t* in = call.in;
  for (std::size_t first = 0; first < call.count; first += code.block) {
    const std::size_t count = std::min(code.block, call.count - first);
    float unit = 0.0F;
    std::memcpy(&unit, in, sizeof unit);
    in += sizeof unit;
    float* values = call.values + first;
    if (std::isnan(unit)) {
      fill_with_nan(values, count);
      in += (count * kBits + 7) / 8;
      continue;
    }
    decode_values<kAdds>(PackedIntegers<kBits>{hn::Set(CodeFloats(), unit)}, in, values, count);
    in += (count * kBits + 7) / 8;
  }
}

template <std::size_t kBits>
CodeSums encode_integers_of(const IntegerCode& code, const EncodeArguments& call) {
  const bool has_residual = call.residual != nullptr;
  if (code.stochastic)
    return has_residual ? encode_integers<kBits, true, true>(code, call)
                        : encode_integers<kBits, false, true>(code, call);
  return has_residual ? encode_integers<kBits, true, false>(code, call)
                      : encode_integers<kBits, false, false>(code, call);
}

CodeSums encode_integers_on_target(const IntegerCode& code, const EncodeArguments& call) {
  switch (bits_of(code)) {
    case 2:
      return encode_integers_of<2>(code, call);
    case 4:
      return encode_integers_of<4>(code, call);
    default:
      return encode_integers_of<8>(code, call);
  }
}

template <std::size_t kBits>
void decode_integers_of(const IntegerCode& code, const DecodeArguments& call) {
  if (call.adds) return decode_integers<kBits, true>(code, call);
  decode_integers<kBits, false>(code, call);
}

void decode_integers_on_target(const IntegerCode& code, const DecodeArguments& call) {
  switch (bits_of(code)) {
    case 2:
      return decode_integers_of<2>(code, call);
    case 4:
      return decode_integers_of<4>(code, call);
    default:
      return decode_integers_of<8>(code, call);
  }
}

}  // namespace tutti::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace tutti {

HWY_EXPORT(encode_integers_on_target);
HWY_EXPORT(decode_integers_on_target);

namespace {

void require_integer_code(const IntegerCode& code) {
  detail::require_block(code.block);
  if (code.levels < 1 || code.levels > 127) throw InvalidArgument(text(code.levels, " levels are not from 1 to 127"));
  if (!(code.clip >= 0.0) || (code.clip > 0.0 && !code.stochastic))
    throw InvalidArgument(text("clip = ", code.clip, " needs stochastic rounding and no number below 0"));
}

}  // namespace

CodeSums encode(const IntegerCode& code, std::span<const float> values, std::span<float> residual, const Draw& draw,
                std::span<std::byte> out) {
  require_integer_code(code);
  return HWY_DYNAMIC_DISPATCH(encode_integers_on_target)(
      code, detail::encode_arguments(values, residual, draw, out, encoded_bytes(code, values.size())));
}

void decode(const IntegerCode& code, std::span<const std::byte> in, std::span<float> values, bool adds) {
  require_integer_code(code);
  HWY_DYNAMIC_DISPATCH(decode_integers_on_target)
  (code, detail::decode_arguments(in, values, encoded_bytes(code, values.size()), adds));
}

}  // namespace tutti
#endif
