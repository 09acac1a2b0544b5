// Per element: largest_magnitudes reads a value, and its residual if there is one; encode_shared reads them, writes the
// residual and the code (12 bytes and 2, 1 or 1/2); decode_shared reads a sum and writes a value.
#include <tutti/kernels/codecs/shared_scale.hpp>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <limits>
#include <string_view>

#include <tutti/kernels/error.hpp>
#include <tutti/kernels/text.hpp>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "tutti/kernels/codecs/shared_scale.cpp"
#include <hwy/foreach_target.h>
// Highway's own headers, and ours that are compiled per instruction set, come after foreach_target.h.
#include <hwy/highway.h>

#include <tutti/kernels/codecs/draws-inl.hpp>
#include <tutti/kernels/codecs/groups-inl.hpp>

HWY_BEFORE_NAMESPACE();
namespace tutti::HWY_NAMESPACE {

namespace {

/// Of a block.
struct Factors {
  float to_integer;
  float to_value;
  float limit;
};

/// Values of the largest integers are finite. A block that is too small becomes zeros.
inline Factors factors_of(float largest, const IntegerGrid& grid) {
  if (largest < kLeastScale) return {0.0F, 0.0F, 0.0F};
  constexpr auto kMost = static_cast<double>(std::numeric_limits<float>::max());
  const auto m = static_cast<double>(largest);
  const auto l = static_cast<double>(grid.limit);
  if (grid.power_of_two) {
    const auto bits = std::bit_cast<std::uint64_t>(m / l);  // normal
    const std::uint64_t exponent = (bits >> 52) + ((bits & ((std::uint64_t{1} << 52) - 1)) == 0 ? 0 : 1);
    const auto unit = std::bit_cast<double>(exponent << 52);
    const double most = l * unit > kMost ? std::floor(kMost / unit) : l;
    return {static_cast<float>(1.0 / unit), static_cast<float>(unit), static_cast<float>(most)};
  }
  auto unit = static_cast<float>(m / l);
  if (static_cast<double>(unit) * l > kMost) unit = std::bit_cast<float>(std::bit_cast<std::uint32_t>(unit) - 1);
  return {static_cast<float>(l / m), unit, static_cast<float>(grid.limit)};
}

void largest_on_target(std::span<const float> values, std::span<const float> residual, std::size_t block,
                       std::span<std::uint32_t> largest) {
  for (std::size_t b = 0; b < largest.size(); ++b) {
    const std::size_t first = b * block;
    const std::size_t count = std::min(block, values.size() - first);
    largest[b] = residual.empty() ? largest_magnitude<false>(values.data() + first, nullptr, count)
                                  : largest_magnitude<true>(values.data() + first, residual.data() + first, count);
  }
}

/// Squares of values and errors of a block in units of the grid, in f32: none is above 2^30, and 64 make a column.
struct UnitSums {
  CodeVector squares[kGroupVectors];
  CodeVector errors[kGroupVectors];

  static HWY_INLINE UnitSums zero() {
    UnitSums zeros;
    for (std::size_t k = 0; k < kGroupVectors; ++k) zeros.squares[k] = zeros.errors[k] = hn::Zero(CodeFloats());
    return zeros;
  }

  static HWY_INLINE double total(const CodeVector (&vectors)[kGroupVectors]) {
    float columns[kGroup];
    for (std::size_t k = 0; k < kGroupVectors; ++k) hn::StoreU(vectors[k], CodeFloats(), columns + k * kGroupLanes);
    double sum = 0.0;
    for (const float column : columns) sum += static_cast<double>(column);
    return sum;
  }
};

/// Values as integers of type Code, which holds them.
template <class Code, bool kStochastic>
struct SharedStep {
  static constexpr std::size_t kBytes = kGroup * sizeof(Code);
  static constexpr bool kAlone = false;
  static constexpr bool kDraws = kStochastic;
  static constexpr bool kCounts = false;  // it does itself

  CodeVector to_integer, to_value, limit;
  UnitSums& sums;

  HWY_INLINE CodeVector code(std::size_t k, CodeVector p, const std::uint16_t* draws, std::uint8_t* codes,
                             std::uint64_t& /*saturated*/) const {
    const CodeFloats d;
    const hn::Rebind<Code, CodeFloats> dc;
    const auto x = hn::Max(hn::Min(hn::Mul(p, to_integer), limit), hn::Neg(limit));
    auto integers = hn::Zero(CodeIntegers());
    if constexpr (kStochastic) {
      const auto floor = hn::Floor(x);
      const auto is_up = hn::Lt(uniforms(draws), hn::Sub(x, floor));
      integers = hn::NearestInt(hn::Add(floor, hn::IfThenElseZero(is_up, hn::Set(d, 1.0F))));
    } else {
      integers = hn::NearestInt(x);
    }
    hn::StoreU(hn::DemoteTo(dc, integers), dc, reinterpret_cast<Code*>(codes) + k * kGroupLanes);
    const auto value = hn::Mul(hn::ConvertTo(d, integers), to_value);
    const auto error = hn::Mul(hn::Sub(p, value), to_integer);
    sums.squares[k] = hn::Add(sums.squares[k], hn::Mul(x, x));
    sums.errors[k] = hn::Add(sums.errors[k], hn::Mul(error, error));
    return value;
  }
};

/// Where one block lies.
struct BlockPlace {
  const float* values;
  float* residual;  ///< may be null
  std::size_t count;
  const Draw* draw;   ///< may be null: of the first value
  std::size_t first;  ///< from that
};

template <bool kResidual, bool kStochastic, class Code>
CodeSums encode_finite(const Factors& factors, const BlockPlace& at, Code* codes) {
  const CodeFloats d;
  UnitSums sums = UnitSums::zero();
  const SharedStep<Code, kStochastic> step = {hn::Set(d, factors.to_integer), hn::Set(d, factors.to_value),
                                              hn::Set(d, factors.limit), sums};
  CodeTotals not_counted;
  Draws draws;
  for (std::size_t i = 0; i < at.count; i += kChunk) {
    const std::size_t size = std::min(kChunk, at.count - i);
    if constexpr (kStochastic) draws.fill(*at.draw, at.first + i, size);
    encode_chunk<kResidual>(step, at.values + i, kResidual ? at.residual + i : nullptr, size, draws.halves(),
                            reinterpret_cast<std::uint8_t*>(codes + i), not_counted);
  }
  const double unit = static_cast<double>(factors.to_value) * static_cast<double>(factors.to_value);
  return {.squares = UnitSums::total(sums.squares) * unit, .errors = UnitSums::total(sums.errors) * unit};
}

template <class Code>
CodeSums encode_block(std::uint32_t largest, const IntegerGrid& grid, const BlockPlace& at, Code* codes) {
  if (largest >= kNotFinite) {
    std::fill_n(codes, at.count, Code{0});
    return {};
  }
  const Factors factors = factors_of(std::bit_cast<float>(largest), grid);
  if (at.residual == nullptr && at.draw == nullptr) return encode_finite<false, false>(factors, at, codes);
  if (at.residual == nullptr) return encode_finite<false, true>(factors, at, codes);
  if (at.draw == nullptr) return encode_finite<true, false>(factors, at, codes);
  return encode_finite<true, true>(factors, at, codes);
}

/// Two values in a byte, `limit` more than they are.
inline void pack_block(const std::int8_t* codes, std::size_t count, std::int32_t limit, std::uint8_t* packed) {
  const std::size_t half = (count + 1) / 2;
  std::size_t i = 0;
#if HWY_TARGET != HWY_SCALAR
  const hn::CappedTag<std::uint8_t, kMaxVectorBytes> d;
  const std::size_t lanes = hn::Lanes(d);
  const auto* low = reinterpret_cast<const std::uint8_t*>(codes);
  const std::uint8_t* high = low + half;
  const auto all = hn::Set(d, static_cast<std::uint8_t>(limit));
  for (; i + lanes <= count - half; i += lanes) {
    const auto a = hn::Add(hn::LoadU(d, low + i), all);
    const auto b = hn::Add(hn::LoadU(d, high + i), all);
    const auto shifted = hn::BitCast(d, hn::ShiftLeft<4>(hn::BitCast(hn::RepartitionToWide<decltype(d)>(), b)));
    hn::StoreU(hn::Or(a, shifted), d, packed + i);  // below 16, so nothing is shifted out of a byte
  }
#endif
  for (; i < half; ++i) {
    const int b = i < count - half ? codes[half + i] : 0;
    packed[i] = static_cast<std::uint8_t>((codes[i] + limit) | ((b + limit) << 4));
  }
}

CodeSums encode_on_target(std::span<const float> values, std::span<float> residual, const IntegerGrid& grid,
                          std::span<const std::uint32_t> largest, const Draw* draw, const Buffer& codes,
                          std::span<std::uint32_t> held) {
  std::int8_t unpacked[kMaxSharedBlock];
  CodeSums all;
  for (std::size_t b = 0; b < largest.size(); ++b) {
    const std::size_t first = b * grid.block;
    const BlockPlace at = {.values = values.data() + first,
                           .residual = residual.empty() ? nullptr : residual.data() + first,
                           .count = std::min(grid.block, values.size() - first),
                           .draw = draw,
                           .first = first};
    CodeSums sums;
    if (codes.dtype == DType::i16) {
      sums = encode_block(largest[b], grid, at, static_cast<std::int16_t*>(codes.data) + first);
    } else if (codes.dtype == DType::i8) {
      sums = encode_block(largest[b], grid, at, static_cast<std::int8_t*>(codes.data) + first);
    } else {
      sums = encode_block(largest[b], grid, at, unpacked);
      pack_block(unpacked, at.count, grid.limit, static_cast<std::uint8_t*>(codes.data) + first / 2);
    }
    all.squares += sums.squares;
    all.errors += sums.errors;
    if (!held.empty()) held[b] = largest_magnitude<false>(at.residual, nullptr, at.count);  // in the cache still
  }
  return all;
}

template <class Narrow, class Wide>
void add_widened(const void* codes, void* sums, std::size_t count) {
  const hn::CappedTag<Wide, kMaxVectorBytes / sizeof(Wide)> d;
  const hn::Rebind<Narrow, decltype(d)> dn;
  const std::size_t lanes = hn::Lanes(d);
  const auto* from = static_cast<const Narrow*>(codes);
  auto* to = static_cast<Wide*>(sums);
  std::size_t i = 0;
  for (; i + lanes <= count; i += lanes)
    hn::StoreU(hn::Add(hn::LoadU(d, to + i), hn::PromoteTo(d, hn::LoadU(dn, from + i))), d, to + i);
  for (; i < count; ++i) to[i] = static_cast<Wide>(to[i] + from[i]);
}

/// The two halves of a byte become the two bytes of a sum.
inline void add_halves(const void* codes, void* sums, std::size_t count) {
  const hn::CappedTag<std::uint16_t, kMaxVectorBytes / sizeof(std::uint16_t)> d;
  const hn::Rebind<std::uint8_t, decltype(d)> dn;
  const std::size_t lanes = hn::Lanes(d);
  const auto* from = static_cast<const std::uint8_t*>(codes);
  auto* to = static_cast<std::uint16_t*>(sums);
  std::size_t i = 0;
  for (; i + lanes <= count; i += lanes) {
    const auto pair = hn::PromoteTo(d, hn::LoadU(dn, from + i));
    const auto spread = hn::And(hn::Or(pair, hn::ShiftLeft<4>(pair)), hn::Set(d, std::uint16_t{0x0F0F}));
    hn::StoreU(hn::Add(hn::LoadU(d, to + i), spread), d, to + i);
  }
  for (; i < count; ++i) to[i] = static_cast<std::uint16_t>(to[i] + ((from[i] | from[i] << 4) & 0x0F0F));
}

void add_on_target(const ConstBuffer& codes, const Buffer& sums) {
  if (codes.dtype == DType::i16) return add_widened<std::int16_t, std::int32_t>(codes.data, sums.data, codes.count);
  if (codes.dtype == DType::i8) return add_widened<std::int8_t, std::int16_t>(codes.data, sums.data, codes.count);
  add_halves(codes.data, sums.data, codes.count);
}

/// How sums become values.
struct DecodeStep {
  float to_value;
  float divisor;
  std::int32_t offset;  ///< of sums that lie above zero

  HWY_INLINE CodeVector operator()(hn::Vec<CodeIntegers> sum) const {
    const CodeFloats d;
    auto x = hn::ConvertTo(d, hn::Sub(sum, hn::Set(CodeIntegers(), offset)));
    if (divisor != 1.0F) x = hn::Div(x, hn::Set(d, divisor));
    return hn::Mul(x, hn::Set(d, to_value));
  }
  float operator()(std::int32_t sum) const { return static_cast<float>(sum - offset) / divisor * to_value; }
};

template <class Sum>
void decode_block(const DecodeStep& step, const Sum* sums, std::size_t count, float* values) {
  const CodeFloats d;
  const CodeIntegers di;
  const auto load = [&](const Sum* from) HWY_ATTR {
    if constexpr (sizeof(Sum) == 4)
      return hn::LoadU(di, from);
    else
      return hn::PromoteTo(di, hn::LoadU(hn::Rebind<Sum, CodeFloats>(), from));
  };
  std::size_t i = 0;
  for (; i + kGroupLanes <= count; i += kGroupLanes) hn::StoreU(step(load(sums + i)), d, values + i);
  for (; i < count; ++i) values[i] = step(std::int32_t{sums[i]});
}

/// Two sums in an element, in halves or in bytes.
template <class Pair>
void decode_pairs(const DecodeStep& step, const Pair* pairs, std::size_t count, float* values) {
  constexpr int kBits = sizeof(Pair) * 4;
  constexpr std::int32_t kMask = (1 << kBits) - 1;
  const CodeFloats d;
  const CodeIntegers di;
  const std::size_t half = (count + 1) / 2;
  std::size_t i = 0;
  for (; i + kGroupLanes <= count - half; i += kGroupLanes) {
    const auto pair = hn::PromoteTo(di, hn::LoadU(hn::Rebind<Pair, CodeFloats>(), pairs + i));
    hn::StoreU(step(hn::And(pair, hn::Set(di, kMask))), d, values + i);
    hn::StoreU(step(hn::ShiftRight<kBits>(pair)), d, values + half + i);
  }
  for (; i < half; ++i) {
    values[i] = step(pairs[i] & kMask);
    if (i < count - half) values[half + i] = step(pairs[i] >> kBits);
  }
}

void decode_on_target(const ConstBuffer& sums, const IntegerGrid& grid, int contributions,
                      std::span<const std::uint32_t> largest, int divisor, std::span<float> values) {
  const bool in_pairs = sums.dtype == DType::u8 || sums.dtype == DType::u16;
  for (std::size_t b = 0; b < largest.size(); ++b) {
    const std::size_t first = b * grid.block;
    const std::size_t count = std::min(grid.block, values.size() - first);
    float* to = values.data() + first;
    if (largest[b] >= kNotFinite) {
      fill_with_nan(to, count);
      continue;
    }
    const DecodeStep step = {.to_value = factors_of(std::bit_cast<float>(largest[b]), grid).to_value,
                             .divisor = static_cast<float>(divisor),
                             .offset = in_pairs ? grid.limit * contributions : 0};
    const auto from = [&]<class T>(T) { return static_cast<const T*>(sums.data) + (in_pairs ? first / 2 : first); };
    if (sums.dtype == DType::i32) {
      decode_block(step, from(std::int32_t{}), count, to);
    } else if (sums.dtype == DType::i16) {
      decode_block(step, from(std::int16_t{}), count, to);
    } else if (sums.dtype == DType::i8) {
      decode_block(step, from(std::int8_t{}), count, to);
    } else if (sums.dtype == DType::u16) {
      decode_pairs(step, from(std::uint16_t{}), count, to);
    } else {
      decode_pairs(step, from(std::uint8_t{}), count, to);
    }
  }
}

}  // namespace
}  // namespace tutti::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace tutti {

HWY_EXPORT(largest_on_target);
HWY_EXPORT(encode_on_target);
HWY_EXPORT(add_on_target);
HWY_EXPORT(decode_on_target);

namespace {

void require_blocks(std::string_view kernel, std::size_t count, std::size_t block, std::size_t scales) {
  if (block == 0 || block % 8 != 0 || block > kMaxSharedBlock)
    throw InvalidArgument(text(kernel, ": block = ", block, " is no multiple of 8 up to ", kMaxSharedBlock));
  if (scales != (count + block - 1) / block)
    throw InvalidArgument(text(kernel, ": ", count, " values in blocks of ", block, " and ", scales, " scales"));
}

void require_codes(std::string_view kernel, std::size_t count, std::size_t block, const ConstBuffer& codes) {
  if (codes.count != code_count(count, block, codes.dtype))
    throw InvalidArgument(text(kernel, ": ", count, " values and ", codes.count, " codes of ", name(codes.dtype)));
}

}  // namespace

std::size_t code_count(std::size_t count, std::size_t block, DType codes) noexcept {
  if (codes != DType::u8 && codes != DType::u16) return count;
  return count / block * (block / 2) + (count % block + 1) / 2;
}

void largest_magnitudes(std::span<const float> values, std::span<const float> residual, std::size_t block,
                        std::span<std::uint32_t> largest) {
  require_blocks("largest_magnitudes", values.size(), block, largest.size());
  HWY_DYNAMIC_DISPATCH(largest_on_target)(values, residual, block, largest);
}

CodeSums encode_shared(std::span<const float> values, std::span<float> residual, const IntegerGrid& grid,
                       std::span<const std::uint32_t> largest, const Draw* draws, Buffer codes,
                       std::span<std::uint32_t> held) {
  require_blocks("encode_shared", values.size(), grid.block, largest.size());
  require_codes("encode_shared", values.size(), grid.block, codes);
  const std::int32_t most = codes.dtype == DType::i16 ? 32767 : codes.dtype == DType::i8 ? 127 : 7;
  if (grid.limit < 1 || grid.limit > most)
    throw InvalidArgument(text("encode_shared: limit = ", grid.limit, " is out of range 1 to ", most));
  if (!held.empty() && (residual.empty() || held.size() != largest.size()))
    throw InvalidArgument(text("encode_shared: largest magnitudes of ", held.size(), " blocks of ", residual.size(),
                               " values that are held back"));
  return HWY_DYNAMIC_DISPATCH(encode_on_target)(values, residual, grid, largest, draws, codes, held);
}

void add_codes(ConstBuffer codes, Buffer sums) {
  if (codes.count != sums.count || size_of(sums.dtype) != 2 * size_of(codes.dtype))
    throw InvalidArgument(
        text("add_codes: ", name(codes.dtype), " x ", codes.count, " to ", name(sums.dtype), " x ", sums.count));
  HWY_DYNAMIC_DISPATCH(add_on_target)(codes, sums);
}

void decode_shared(ConstBuffer sums, const IntegerGrid& grid, int contributions, std::span<const std::uint32_t> largest,
                   int divisor, std::span<float> values) {
  require_blocks("decode_shared", values.size(), grid.block, largest.size());
  require_codes("decode_shared", values.size(), grid.block, sums);
  HWY_DYNAMIC_DISPATCH(decode_on_target)(sums, grid, contributions, largest, divisor, values);
}

}  // namespace tutti
#endif
