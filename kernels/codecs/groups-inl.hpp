// Loops of encoders and decoders over groups of 16 values, and what encoders have to know of a block first.
//
// 16 values fill whole vectors on every instruction set; sums are kept in 16 columns of f64, as in
// update/norm-inl.hpp: the same bits on each. Compiled once per instruction set, as floats-inl.hpp.
#if defined(TUTTI_KERNELS_CODECS_GROUPS_INL_HPP_) == defined(HWY_TARGET_TOGGLE)
#ifdef TUTTI_KERNELS_CODECS_GROUPS_INL_HPP_
#undef TUTTI_KERNELS_CODECS_GROUPS_INL_HPP_
#else
#define TUTTI_KERNELS_CODECS_GROUPS_INL_HPP_
#endif

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include <hwy/cache_control.h>
#include <hwy/highway.h>

#include <tutti/kernels/codecs/encoding.hpp>
#include <tutti/kernels/floats-inl.hpp>

HWY_BEFORE_NAMESPACE();
namespace tutti::HWY_NAMESPACE {

using detail::DecodeArguments;
using detail::EncodeArguments;

using CodeFloats = Tag<float>;
using CodeBits = hn::RebindToUnsigned<CodeFloats>;
using CodeIntegers = hn::RebindToSigned<CodeFloats>;
using CodeVector = hn::Vec<CodeFloats>;

inline constexpr std::size_t kGroup = 16;
inline constexpr std::size_t kGroupLanes = hn::MaxLanes(CodeFloats());
inline constexpr std::size_t kGroupVectors = kGroup / kGroupLanes;
inline constexpr std::size_t kChunk = 256;  // values between two looks at draws
inline constexpr std::size_t kMostGroupBytes = 2 * kGroup;

inline constexpr std::uint32_t kMagnitude = 0x7fffffffU;
inline constexpr std::uint32_t kInfinityBits = 0x7f800000U;
inline constexpr std::uint32_t kNanBits = 0x7fc00000U;

/// Vector k of each group is added to its columns.
class ColumnSums {
 public:
  static HWY_INLINE ColumnSums zero() {
    ColumnSums zeros;
    for (auto& sum : zeros.sums_) sum = hn::Zero(Doubles());
    return zeros;
  }

  HWY_INLINE void add(std::size_t k, CodeVector x) {
    each_half(k, x, [](auto half) HWY_ATTR { return half; });
  }
  HWY_INLINE void add_square(std::size_t k, CodeVector x) {
    each_half(k, x, [](auto half) HWY_ATTR { return hn::Mul(half, half); });
  }

  HWY_INLINE double total() const {
    double columns[kGroup];
    for (std::size_t i = 0; i < kSums; ++i) hn::StoreU(sums_[i], Doubles(), columns + i * (kGroup / kSums));
    for (std::size_t width = kGroup / 2; width > 0; width /= 2)
      for (std::size_t i = 0; i < width; ++i) columns[i] += columns[i + width];
    return columns[0];
  }

 private:
  using Doubles = Tag<double>;
  static constexpr std::size_t kSums = kGroup / hn::MaxLanes(Doubles());

  template <class Term>
  HWY_INLINE void each_half(std::size_t k, CodeVector x, Term term) {
    const Doubles d;
#if HWY_TARGET == HWY_SCALAR
    sums_[k] = hn::Add(sums_[k], term(hn::PromoteTo(d, x)));
#else
    const hn::Half<CodeFloats> half;
    sums_[2 * k] = hn::Add(sums_[2 * k], term(hn::PromoteTo(d, hn::LowerHalf(half, x))));
    sums_[2 * k + 1] = hn::Add(sums_[2 * k + 1], term(hn::PromoteTo(d, hn::UpperHalf(half, x))));
#endif
  }

  hn::Vec<Doubles> sums_[kSums];
};

struct CodeTotals {
  ColumnSums squares, errors;
  std::uint64_t saturated;

  static HWY_INLINE CodeTotals zero() { return {ColumnSums::zero(), ColumnSums::zero(), 0}; }

  CodeSums sums() const { return {squares.total(), errors.total(), saturated}; }
};

/// What is to be encoded: values, and a residual or none.
template <bool kResidual>
HWY_INLINE CodeVector contribution(const float* values, const float* residual) {
  const auto x = hn::LoadU(CodeFloats(), values);
  if constexpr (kResidual) return hn::Add(x, hn::LoadU(CodeFloats(), residual));
  return x;
}

/// Blocks are read twice, the second time from a cache. Both times memory brings what comes after, half of a block of
/// 1,024 each time; it may lie behind the end.
HWY_INLINE void prefetch_after(const float* values, std::size_t bytes) {
  hwy::Prefetch(reinterpret_cast<const float*>(  // NOLINT(performance-no-int-to-ptr): no arithmetic behind the end
      reinterpret_cast<std::uintptr_t>(values) + bytes));
}
inline constexpr std::size_t kFirstAhead = 2048;
inline constexpr std::size_t kSecondAhead = 4096;

/// Calls use(values, residual) for each group of 16; the last, shorter one is continued by zeros.
template <bool kResidual, class Use>
HWY_INLINE void each_group(const float* values, const float* residual, std::size_t count, Use use) {
  std::size_t i = 0;
  for (; i + kGroup <= count; i += kGroup) {
    prefetch_after(values + i, kFirstAhead);
    if constexpr (kResidual) prefetch_after(residual + i, kFirstAhead);
    use(values + i, kResidual ? residual + i : nullptr);
  }
  if (i == count) return;
  float last_values[kGroup] = {};
  float last_residual[kGroup] = {};
  std::memcpy(last_values, values + i, (count - i) * sizeof(float));
  if constexpr (kResidual) std::memcpy(last_residual, residual + i, (count - i) * sizeof(float));
  use(last_values, last_residual);
}

/// The bits of the largest magnitude of a block: those of infinity or more if a value is not finite.
template <bool kResidual>
HWY_INLINE std::uint32_t largest_magnitude(const float* values, const float* residual, std::size_t count) {
  const CodeIntegers di;
  auto largest = hn::Zero(di);
  each_group<kResidual>(values, residual, count, [&](const float* v, const float* e) HWY_ATTR {
    for (std::size_t k = 0; k < kGroup; k += kGroupLanes)
      largest = hn::Max(largest, hn::BitCast(di, hn::Abs(contribution<kResidual>(v + k, e + (kResidual ? k : 0)))));
  });
  return static_cast<std::uint32_t>(hn::GetLane(hn::MaxOfLanes(di, largest)));
}

/// Not finite if a value is not.
struct BlockSums {
  double magnitudes = 0.0;
  double squares = 0.0;
};

template <bool kResidual, bool kMagnitudes>
HWY_INLINE BlockSums sums_of_block(const float* values, const float* residual, std::size_t count) {
  ColumnSums magnitudes = ColumnSums::zero();
  ColumnSums squares = ColumnSums::zero();
  each_group<kResidual>(values, residual, count, [&](const float* v, const float* e) HWY_ATTR {
    for (std::size_t k = 0; k < kGroupVectors; ++k) {
      const auto p = contribution<kResidual>(v + k * kGroupLanes, e + (kResidual ? k * kGroupLanes : 0));
      if constexpr (kMagnitudes) magnitudes.add(k, hn::Abs(p));
      squares.add_square(k, p);
    }
  });
  return {magnitudes.total(), squares.total()};
}

// A Step encodes groups:
//   kBytes   of the codes of a group
//   kDraws   whether it takes draws
//   kCounts  whether squares of values and errors are summed here
//   kAlone   whether each value stands for itself, and may be not finite
//   code(k, p, draws, codes, saturated)   writes the codes of vector k of a group, and gives what they are decoded as
//   value(k, codes)                       that, from codes

/// One group, the first `count` values of which are there.
template <bool kResidual, bool kWhole, class Step>
HWY_INLINE void encode_group(const Step& step, const float* values, float* residual, std::size_t count,
                             const std::uint16_t* draws, std::uint8_t* codes, CodeTotals& totals) {
  const CodeFloats d;
  prefetch_after(values, kSecondAhead);
  if constexpr (kResidual) prefetch_after(residual, kSecondAhead);
  for (std::size_t k = 0; k < kGroupVectors; ++k) {
    const std::size_t first = k * kGroupLanes;
    float* held_back = kResidual ? residual + first : nullptr;
    auto p = contribution<kResidual>(values + first, held_back);
    if constexpr (Step::kAlone) p = one_nan(p);
    auto error = hn::Sub(p, step.code(k, p, Step::kDraws ? draws + first : nullptr, codes, totals.saturated));
    if constexpr (kResidual) {
      auto kept = error;
      if constexpr (Step::kAlone) kept = hn::IfThenElse(hn::IsFinite(error), error, hn::LoadU(d, held_back));
      hn::StoreU(kept, d, held_back);
    }
    if constexpr (Step::kAlone) {
      const auto finite = hn::IsFinite(error);
      p = hn::IfThenElseZero(finite, p);
      error = hn::IfThenElseZero(finite, error);
    }
    if constexpr (!kWhole) error = hn::IfThenElseZero(hn::FirstN(d, count - std::min(count, first)), error);
    if constexpr (Step::kCounts) {
      totals.squares.add_square(k, p);
      totals.errors.add_square(k, error);
    }
  }
}

/// At most kChunk values.
template <bool kResidual, class Step>
HWY_INLINE void encode_chunk(const Step& step, const float* values, float* residual, std::size_t count,
                             const std::uint16_t* draws, std::uint8_t* codes, CodeTotals& totals) {
  std::size_t i = 0;
  for (; i + kGroup <= count; i += kGroup)
    encode_group<kResidual, true>(step, values + i, kResidual ? residual + i : nullptr, kGroup,
                                  Step::kDraws ? draws + i : nullptr, codes + i / kGroup * Step::kBytes, totals);
  if (i == count) return;
  const std::size_t rest = count - i;
  float last_values[kGroup] = {};
  float last_residual[kGroup] = {};
  std::uint8_t last_codes[kMostGroupBytes] = {};
  std::memcpy(last_values, values + i, rest * sizeof(float));
  if constexpr (kResidual) std::memcpy(last_residual, residual + i, rest * sizeof(float));
  encode_group<kResidual, false>(step, last_values, last_residual, rest, Step::kDraws ? draws + i : nullptr, last_codes,
                                 totals);
  if constexpr (kResidual) std::memcpy(residual + i, last_residual, rest * sizeof(float));
  std::memcpy(codes + i / kGroup * Step::kBytes, last_codes, (rest * Step::kBytes + kGroup - 1) / kGroup);
}

template <bool kAdds, class Step>
HWY_INLINE void decode_group(const Step& step, const std::uint8_t* codes, float* values) {
  const CodeFloats d;
  for (std::size_t k = 0; k < kGroupVectors; ++k) {
    float* to = values + k * kGroupLanes;
    const auto value = step.value(k, codes);
    hn::StoreU(kAdds ? one_nan(hn::Add(hn::LoadU(d, to), value)) : value, d, to);
  }
}

template <bool kAdds, class Step>
HWY_INLINE void decode_values(const Step& step, const std::uint8_t* codes, float* values, std::size_t count) {
  std::size_t i = 0;
  for (; i + kGroup <= count; i += kGroup) decode_group<kAdds>(step, codes + i / kGroup * Step::kBytes, values + i);
  if (i == count) return;
  const std::size_t rest = count - i;
  float last_values[kGroup] = {};
  std::uint8_t last_codes[kMostGroupBytes] = {};
  std::memcpy(last_values, values + i, rest * sizeof(float));
  std::memcpy(last_codes, codes + i / kGroup * Step::kBytes, (rest * Step::kBytes + kGroup - 1) / kGroup);
  decode_group<kAdds>(step, last_codes, last_values);
  std::memcpy(values + i, last_values, rest * sizeof(float));
}

/// The values of a block that was not finite.
HWY_INLINE void fill_with_nan(float* values, std::size_t count) {
  std::uint32_t bits = kNanBits;
  for (std::size_t i = 0; i < count; ++i) std::memcpy(values + i, &bits, sizeof bits);
}

}  // namespace tutti::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif
