// Per element, select_by_magnitude reads a value and reads and writes its residual, and its momentum where there is
// one; the others read the same. Sums of squares are taken of blocks in the first-level
// cache.
#include <tutti/kernels/codecs/select.hpp>

#include <algorithm>
#include <cstring>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "tutti/kernels/codecs/select.cpp"
#include <hwy/foreach_target.h>
// Highway's own headers, and ours that are compiled per instruction set, come after foreach_target.h.
#include <hwy/highway.h>

#include <tutti/kernels/floats-inl.hpp>
#include <tutti/kernels/update/norm-inl.hpp>

HWY_BEFORE_NAMESPACE();
namespace tutti::HWY_NAMESPACE {

using SelectFloats = Tag<float>;
using SelectIntegers = hn::RebindToSigned<SelectFloats>;
using SelectIndices = hn::RebindToUnsigned<SelectFloats>;
using FloatVector = hn::Vec<SelectFloats>;

inline constexpr std::size_t kMostLanes = kMaxVectorBytes / sizeof(float);

// How contributions are made, a vector at a time.
enum class Made { plainly, with_residual, with_momentum, by_nesterov };

struct MadeVector {
  FloatVector sum;       // the contribution
  FloatVector residual;  // before
  FloatVector momentum;  // before
  FloatVector update;    // momentum afterwards
};

template <Made kMade>
HWY_INLINE MadeVector make_vector(const Contribution& from, std::size_t i, FloatVector decay, FloatVector scale) {
  const SelectFloats d;
  MadeVector made = {hn::LoadU(d, from.values + i), hn::Zero(d), hn::Zero(d), hn::Zero(d)};
  if constexpr (kMade == Made::plainly) return made;
  made.residual = hn::LoadU(d, from.residual + i);
  if constexpr (kMade == Made::with_residual) {
    made.sum = hn::Add(made.residual, made.sum);
    return made;
  }
  made.momentum = hn::LoadU(d, from.momentum + i);
  const auto scaled = hn::Mul(scale, made.sum);
  if constexpr (kMade == Made::with_momentum) {
    made.update = hn::Add(hn::Mul(decay, made.momentum), scaled);
    made.sum = hn::Add(made.residual, made.update);
  } else {
    made.update = hn::Mul(decay, hn::Add(made.momentum, scaled));
    made.sum = hn::Add(hn::Add(made.residual, made.update), scaled);
  }
  return made;
}

HWY_INLINE hn::Vec<SelectIntegers> magnitude_of(FloatVector v) { return hn::BitCast(SelectIntegers(), hn::Abs(v)); }

template <Made kMade>
HWY_INLINE void keep(const Contribution& from, std::size_t i, FloatVector residual, FloatVector momentum) {
  const SelectFloats d;
  if constexpr (kMade != Made::plainly) hn::StoreU(residual, d, from.residual + i);
  if constexpr (kMade == Made::with_momentum || kMade == Made::by_nesterov) hn::StoreU(momentum, d, from.momentum + i);
}

// Thresholds as integers that magnitudes have to exceed.
struct Thresholds {
  hn::Vec<SelectIntegers> looked_at;  // at most infinity's, so that what is not finite is noticed
  hn::Vec<SelectIntegers> selected;
};

/// The elements of a vector that may hold some that are selected or not finite; returns how many are selected. Those
/// from `count` on are none.
template <Made kMade>
HWY_NOINLINE std::size_t select_in_vector(const Contribution& from, std::size_t i, const MadeVector& made,
                                          const Thresholds& thresholds, std::size_t count, std::uint32_t number,
                                          SelectedElements out) {
  const SelectFloats d;
  const SelectIntegers di;
  const SelectIndices du;
  const auto sum = one_nan(made.sum);
  const auto magnitude = magnitude_of(sum);
  const auto finite = hn::RebindMask(d, hn::Lt(magnitude, hn::Set(di, 0x7f800000)));
  const auto exceeds = hn::Gt(magnitude, thresholds.selected);
  const auto selected = hn::And(exceeds, hn::FirstN(di, count));
  const auto left = hn::IfThenZeroElse(hn::RebindMask(d, selected), sum);
  keep<kMade>(from, i, hn::IfThenElse(finite, left, made.residual), hn::IfThenElse(finite, made.update, made.momentum));
  // Compressed in a register: stored so by the instruction, it takes many times as long on some processors.
  const auto numbers = hn::Add(hn::Iota(du, 0), hn::Set(du, number));
  hn::StoreU(hn::Compress(sum, hn::RebindMask(d, selected)), d, out.values);
  hn::StoreU(hn::Compress(numbers, hn::RebindMask(du, selected)), du, out.indices);
  return hn::CountTrue(di, selected);
}

/// A block of whole vectors.
template <Made kMade>
std::size_t select_in_block(const Contribution& from, const Thresholds& thresholds, std::uint32_t first,
                            SelectedElements out) {
  const SelectFloats d;
  const SelectIntegers di;
  const std::size_t lanes = hn::Lanes(d);
  const auto decay = hn::Set(d, from.decay);
  const auto scale = hn::Set(d, from.scale);
  std::size_t found = 0;
  for (std::size_t i = 0; i < from.count; i += lanes) {
    const MadeVector made = make_vector<kMade>(from, i, decay, scale);
    if (HWY_LIKELY(hn::AllFalse(di, hn::Gt(magnitude_of(made.sum), thresholds.looked_at)))) {
      keep<kMade>(from, i, made.sum, made.update);
    } else {
      found += select_in_vector<kMade>(from, i, made, thresholds, lanes, first + static_cast<std::uint32_t>(i),
                                       {out.indices + found, out.values + found});
    }
  }
  return found;
}

/// Fewer elements than a vector has, in memory that has a whole one.
struct RestOfContribution {
  explicit RestOfContribution(const Contribution& from) : vector(from) {
    const std::size_t bytes = from.count * sizeof(float);
    std::memcpy(values, from.values, bytes);
    if (from.residual != nullptr) std::memcpy(residual, from.residual, bytes);
    if (from.momentum != nullptr) std::memcpy(momentum, from.momentum, bytes);
    vector.values = values;
    vector.residual = residual;
    vector.momentum = momentum;
  }
  RestOfContribution(const RestOfContribution&) = delete;
  RestOfContribution& operator=(const RestOfContribution&) = delete;

  void store(const Contribution& to) const {
    const std::size_t bytes = to.count * sizeof(float);
    if (to.residual != nullptr) std::memcpy(to.residual, residual, bytes);
    if (to.momentum != nullptr) std::memcpy(to.momentum, momentum, bytes);
  }

  Contribution vector;
  float values[kMostLanes] = {};
  float residual[kMostLanes] = {};
  float momentum[kMostLanes] = {};
};

template <Made kMade>
std::size_t select_in_rest(const Contribution& from, const Thresholds& thresholds, std::uint32_t first,
                           SelectedElements out) {
  const SelectFloats d;
  const RestOfContribution rest(from);
  const MadeVector made = make_vector<kMade>(rest.vector, 0, hn::Set(d, from.decay), hn::Set(d, from.scale));
  const std::size_t found = select_in_vector<kMade>(rest.vector, 0, made, thresholds, from.count, first, out);
  rest.store(from);
  return found;
}

template <Made kMade>
Selected select_made(const Contribution& from, std::uint32_t magnitude, std::uint32_t first, SelectedElements out) {
  const SelectIntegers di;
  const auto exceeded = [&](std::uint32_t limit)
                            HWY_ATTR { return hn::Set(di, static_cast<std::int32_t>(std::min(magnitude, limit)) - 1); };
  const Thresholds thresholds = {exceeded(kInfiniteMagnitude), exceeded(kNanMagnitude + 1)};
  const std::size_t lanes = hn::Lanes(di);
  Selected facts;
  for (std::size_t i = 0; i < from.count; i += kNormBlock) {
    const std::size_t count = std::min(kNormBlock, from.count - i);
    const std::size_t whole = count / lanes * lanes;
    const auto place = [&] { return SelectedElements{out.indices + facts.count, out.values + facts.count}; };
    const auto number = first + static_cast<std::uint32_t>(i);
    facts.count += select_in_block<kMade>(from.slice(i, whole), thresholds, number, place());
    if (whole < count)
      facts.count += select_in_rest<kMade>(from.slice(i + whole, count - whole), thresholds,
                                           number + static_cast<std::uint32_t>(whole), place());
    if constexpr (kMade != Made::plainly) facts.squares += block_sum_of_squares(from.residual + i, count);
  }
  return facts;
}

Selected select_on_target(const Contribution& from, std::uint32_t magnitude, std::uint32_t first,
                          SelectedElements out) {
  if (from.residual == nullptr) return select_made<Made::plainly>(from, magnitude, first, out);
  if (from.momentum == nullptr) return select_made<Made::with_residual>(from, magnitude, first, out);
  if (from.nesterov) return select_made<Made::by_nesterov>(from, magnitude, first, out);
  return select_made<Made::with_momentum>(from, magnitude, first, out);
}

/// Calls with the magnitudes of each vector, and where it begins; the last may have elements behind the end.
template <Made kMade, class Function>
HWY_INLINE void for_magnitudes(const Contribution& from, Function&& function) {
  const SelectFloats d;
  const std::size_t lanes = hn::Lanes(d);
  const auto decay = hn::Set(d, from.decay);
  const auto scale = hn::Set(d, from.scale);
  std::size_t i = 0;
  for (; i + lanes <= from.count; i += lanes)
    function(magnitude_of(one_nan(make_vector<kMade>(from, i, decay, scale).sum)), i);
  if (i == from.count) return;
  const RestOfContribution rest(from.slice(i, from.count - i));
  function(magnitude_of(one_nan(make_vector<kMade>(rest.vector, 0, decay, scale).sum)), i);
}

template <class Function>
HWY_INLINE void for_magnitudes_as_made(const Contribution& from, Function&& function) {
  if (from.residual == nullptr) return for_magnitudes<Made::plainly>(from, function);
  if (from.momentum == nullptr) return for_magnitudes<Made::with_residual>(from, function);
  if (from.nesterov) return for_magnitudes<Made::by_nesterov>(from, function);
  for_magnitudes<Made::with_momentum>(from, function);
}

void magnitudes_on_target(const Contribution& from, std::uint32_t* magnitudes) {
  const SelectIndices du;
  const std::size_t lanes = hn::Lanes(du);
  for_magnitudes_as_made(from, [&](hn::Vec<SelectIntegers> magnitude, std::size_t i) HWY_ATTR {
    if (i + lanes <= from.count) return hn::StoreU(hn::BitCast(du, magnitude), du, magnitudes + i);
    std::uint32_t rest[kMostLanes];
    hn::StoreU(hn::BitCast(du, magnitude), du, rest);
    std::memcpy(magnitudes + i, rest, (from.count - i) * sizeof(std::uint32_t));
  });
}

std::size_t count_on_target(const Contribution& from, std::uint32_t magnitude) {
  const SelectIntegers di;
  const auto exceeded = hn::Set(di, static_cast<std::int32_t>(std::min(magnitude, kNanMagnitude + 1)) - 1);
  std::size_t count = 0;
  for_magnitudes_as_made(from, [&](hn::Vec<SelectIntegers> m, std::size_t i) HWY_ATTR {
    count += hn::CountTrue(di, hn::And(hn::Gt(m, exceeded), hn::FirstN(di, from.count - i)));
  });
  return count;
}

}  // namespace tutti::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace tutti {

HWY_EXPORT(select_on_target);
HWY_EXPORT(magnitudes_on_target);
HWY_EXPORT(count_on_target);

Contribution Contribution::slice(std::size_t begin, std::size_t n) const noexcept {
  Contribution part = *this;
  part.values += begin;
  if (residual != nullptr) part.residual += begin;
  if (momentum != nullptr) part.momentum += begin;
  part.count = n;
  return part;
}

Selected select_by_magnitude(const Contribution& from, std::uint32_t magnitude, std::uint32_t first,
                             SelectedElements out) {
  return HWY_DYNAMIC_DISPATCH(select_on_target)(from, magnitude, first, out);
}

void magnitudes_of(const Contribution& from, std::span<std::uint32_t> magnitudes) {
  HWY_DYNAMIC_DISPATCH(magnitudes_on_target)(from, magnitudes.data());
}

std::size_t count_by_magnitude(const Contribution& from, std::uint32_t magnitude) {
  return HWY_DYNAMIC_DISPATCH(count_on_target)(from, magnitude);
}

void add_to_histogram(const Contribution& from, MagnitudeHistogram& histogram) {
  // Values of like magnitude follow each other, and an addition to a number that has just been stored waits for it:
  // hence four histograms.
  constexpr std::size_t kWays = 4;
  constexpr std::size_t kTile = 2048;
  std::array<std::array<std::uint32_t, std::tuple_size_v<MagnitudeHistogram>>, kWays> ways = {};
  std::array<std::uint32_t, kTile> tile;
  for (std::size_t i = 0; i < from.count; i += kTile) {
    const std::size_t count = std::min(kTile, from.count - i);
    magnitudes_of(from.slice(i, count), tile);
    std::size_t j = 0;
    for (; j + kWays <= count; j += kWays)
      for (std::size_t w = 0; w < kWays; ++w) ++ways[w][tile[j + w] >> kHistogramShift];
    for (; j < count; ++j) ++ways[0][tile[j] >> kHistogramShift];
  }
  for (const auto& way : ways)
    for (std::size_t b = 0; b < histogram.size(); ++b) histogram[b] += way[b];
}

}  // namespace tutti
#endif
