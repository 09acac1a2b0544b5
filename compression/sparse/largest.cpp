// Selection is one pass over the tensor with a threshold that rises: whenever the elements fill the memory, only the
// largest stay, and what comes later has to be larger than all of them. So no more memory is needed than twice what is
// sent, and what is cut is cut by magnitude, not by place.
#include <tutti/compression/sparse/largest.hpp>

#include <algorithm>
#include <bit>
#include <cmath>
#include <functional>

#include <tutti/kernels/error.hpp>
#include <tutti/kernels/philox.hpp>

namespace tutti::detail {
namespace {

std::uint32_t magnitude_of_value(float value) noexcept {
  return std::min(std::bit_cast<std::uint32_t>(value) & 0x7fffffffU, kNanMagnitude);
}

/// Elements of one part while they are gathered.
class Gathered {
 public:
  Gathered(const Contribution& from, const SelectionLimits& limits, std::uint32_t first, std::size_t before,
           const ElementMemory& memory)
      : from_(from),
        first_(first),
        most_(limits.most),
        magnitude_(limits.magnitude),
        indices_(memory.indices.subspan(before, element_room(0, limits.most, from.count))),
        values_(memory.values.subspan(before, indices_.size())),
        scratch_(memory.scratch) {}

  void take(std::size_t begin, std::size_t count) {
    if (count_ + count + kSelectionSlack > indices_.size()) cut();
    const Selected facts =
        select_by_magnitude(from_.slice(begin, count), magnitude_, first_ + static_cast<std::uint32_t>(begin),
                            {indices_.data() + count_, values_.data() + count_});
    count_ += facts.count;
    squares_ += facts.squares;
  }

  Selected finish() {
    cut();
    return {.count = count_, .squares = squares_};
  }

 private:
  /// Keeps the largest `most` elements; the others go back to where they came from.
  void cut() {
    if (count_ <= most_) return;
    for (std::size_t i = 0; i < count_; ++i) scratch_[i] = magnitude_of_value(values_[i]);
    const auto last = scratch_.begin() + static_cast<std::ptrdiff_t>(most_ - 1);
    std::nth_element(scratch_.begin(), last, scratch_.begin() + static_cast<std::ptrdiff_t>(count_), std::greater<>());
    const std::uint32_t least = *last;
    // Of those that are just large enough the first stay, as many as there is room for.
    auto room = most_ - static_cast<std::size_t>(
                            std::count_if(scratch_.begin(), last + 1, [&](std::uint32_t m) { return m > least; }));
    std::size_t kept = 0;
    for (std::size_t i = 0; i < count_; ++i) {
      const std::uint32_t magnitude = magnitude_of_value(values_[i]);
      if (magnitude > least || (magnitude == least && room > 0)) {
        if (magnitude == least) --room;
        indices_[kept] = indices_[i];
        values_[kept] = values_[i];
        ++kept;
      } else {
        put_back(i, magnitude);
      }
    }
    count_ = kept;
    magnitude_ = least + 1;
  }

  void put_back(std::size_t i, std::uint32_t magnitude) {
    if (from_.residual == nullptr || magnitude >= kInfiniteMagnitude) return;
    from_.residual[indices_[i] - first_] = values_[i];
    squares_ += static_cast<double>(values_[i]) * static_cast<double>(values_[i]);
  }

  const Contribution& from_;
  std::uint32_t first_;
  std::size_t most_;
  std::uint32_t magnitude_;
  std::span<std::uint32_t> indices_;
  std::span<float> values_;
  std::span<std::uint32_t> scratch_;
  std::size_t count_ = 0;
  double squares_ = 0.0;
};

}  // namespace

double sum_of_finite_squares(std::span<const float> values) noexcept {
  double sum = 0.0;
  for (const float value : values)
    if (std::isfinite(value)) sum += static_cast<double>(value) * static_cast<double>(value);
  return sum;
}

Selected select_elements(const Contribution& from, const SelectionLimits& limits, std::uint32_t first,
                         std::size_t before, const ElementMemory& memory) {
  Gathered gathered(from, limits, first, before, memory);
  for (std::size_t i = 0; i < from.count; i += kSelectionChunk)
    gathered.take(i, std::min(kSelectionChunk, from.count - i));
  return gathered.finish();
}

std::uint32_t magnitude_from_histogram(const Contribution& from, std::size_t least) {
  MagnitudeHistogram histogram = {};
  add_to_histogram(from, histogram);
  std::size_t bucket = histogram.size();
  for (std::size_t found = 0; found < least && bucket > 0;) found += histogram[--bucket];
  return static_cast<std::uint32_t>(bucket) << kHistogramShift;
}

std::uint32_t magnitude_from_sample(const Contribution& from, std::size_t count, std::size_t runs, std::uint64_t seed,
                                    std::uint64_t stream, std::span<std::uint32_t> scratch) {
  if (scratch.size() < runs * kSampleRun) throw Error("a sample is larger than the memory that is there for it");
  // One run in each of as many equal parts, anywhere in it.
  const std::size_t part = from.count / runs;
  for (std::size_t r = 0; r < runs; ++r) {
    const auto within = static_cast<std::size_t>(random_u64(seed, stream, r) % (part - kSampleRun + 1));
    magnitudes_of(from.slice(r * part + within, kSampleRun), scratch.subspan(r * kSampleRun, kSampleRun));
  }
  const std::size_t sampled = runs * kSampleRun;
  const double share = static_cast<double>(count) / static_cast<double>(from.count);
  const auto wanted = static_cast<std::size_t>(std::ceil(share * static_cast<double>(sampled)));
  const auto at = scratch.begin() + static_cast<std::ptrdiff_t>(std::clamp<std::size_t>(wanted, 1, sampled) - 1);
  std::nth_element(scratch.begin(), at, scratch.begin() + static_cast<std::ptrdiff_t>(sampled), std::greater<>());
  return *at;
}

}  // namespace tutti::detail
