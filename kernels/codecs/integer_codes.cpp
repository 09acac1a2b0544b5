// Per value: reads value and residual twice, the second time in a cache, writes residual and code.
#include <tutti/kernels/codecs/integer_codes.hpp>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>
#include <type_traits>

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
  bool clips;  ///< whether magnitudes are beyond the bound

  HWY_INLINE CodeVector code(std::size_t k, CodeVector p, const std::uint16_t* draws, std::uint8_t* codes,
                             std::uint64_t& saturated) const {
    const CodeFloats d;
    const CodeIntegers di;
    auto integers = hn::Zero(di);
    if constexpr (kStochastic) {
      // Up to 7 bits of a level and 17 of a draw: a whole level and a draw add up exactly, and stay below the next.
      const auto magnitude = hn::Abs(p);
      if (HWY_UNLIKELY(clips)) saturated += hn::CountTrue(d, hn::Gt(magnitude, bound));
      const auto level = hn::Min(hn::Mul(magnitude, inverse), levels);
      const auto rounded = hn::ConvertTo(di, hn::Add(level, uniforms(draws)));
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

/// Words of eight integers that take a byte each, which become kBits bits next to each other.
template <std::size_t kBits, class D>
HWY_INLINE void pack_words(D d, const std::uint8_t* bytes, std::uint8_t* out) {
  constexpr std::uint64_t kEach = (1U << kBits) - 1U;
  const auto join = [d](auto words, auto shifted, std::uint64_t mask)
                        HWY_ATTR { return hn::And(hn::Or(words, shifted), hn::Set(d, mask)); };
  std::uint64_t loaded[hn::MaxLanes(D())];
  std::memcpy(loaded, bytes, sizeof loaded);
  auto words = hn::And(hn::LoadU(d, loaded), hn::Set(d, kEach * 0x0101010101010101U));
  words = join(words, hn::ShiftRight<8 - kBits>(words), ((1U << 2 * kBits) - 1U) * 0x0001000100010001U);
  words = join(words, hn::ShiftRight<16 - 2 * kBits>(words), ((1ULL << 4 * kBits) - 1U) * 0x0000000100000001U);
  words = hn::Or(words, hn::ShiftRight<32 - 4 * kBits>(words));
  using Packed = std::conditional_t<kBits == 4, std::uint32_t, std::uint16_t>;
  const hn::Rebind<Packed, D> packed;
  Packed stored[hn::MaxLanes(D())];
  hn::StoreU(hn::TruncateTo(packed, words), packed, stored);
  std::memcpy(out, stored, sizeof stored);
}

/// `bytes` has room for whole words, `out` for what `count` integers need.
template <std::size_t kBits>
HWY_INLINE void pack_bytes(const std::uint8_t* bytes, std::size_t count, std::uint8_t* out) {
  constexpr std::size_t kAtOnce = hn::MaxLanes(Tag<std::uint64_t>()) * kWordBytes;
  std::size_t i = 0;
  for (; i + kAtOnce <= count; i += kAtOnce)
    pack_words<kBits>(Tag<std::uint64_t>(), bytes + i, out + i / kWordBytes * kBits);
  for (; i < count; i += kWordBytes) {
    std::uint8_t packed[kBits];
    pack_words<kBits>(hn::CappedTag<std::uint64_t, 1>(), bytes + i, packed);
    std::memcpy(out + i / kWordBytes * kBits, packed, (std::min(count - i, kWordBytes) * kBits + 7) / 8);
  }
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
                                           hn::Set(d, static_cast<float>(code.levels)),
                                           scale.bound < std::numeric_limits<float>::infinity()};
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
