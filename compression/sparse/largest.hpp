// The elements of a tensor that are selected, in bounded memory.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>

#include <tutti/kernels/codecs/select.hpp>

namespace tutti::detail {

/// Elements that are looked at between two looks at whether there is room.
inline constexpr std::size_t kSelectionChunk = 4096;

/// Memory for elements, in the order of their numbers.
struct ElementMemory {
  std::span<std::uint32_t> indices;
  std::span<float> values;
  std::span<std::uint32_t> scratch;
};

/// Elements that ElementMemory needs for a part of `count` of which `most` remain, behind `before` of other parts.
constexpr std::size_t element_room(std::size_t before, std::size_t most, std::size_t count) noexcept {
  return before + std::min(2 * most, count) + kSelectionChunk + kSelectionSlack;
}

struct SelectionLimits {
  std::uint32_t magnitude = 0;  ///< at least this
  std::size_t most = 0;         ///< elements: the largest, of equal ones the first
};

/// Selects elements of `from` and appends them to the first `before` of `memory`, as select_by_magnitude(). What is
/// beyond the limit stays in the residual: at no time are more than twice as many held, however many there are.
Selected select_elements(const Contribution& from, const SelectionLimits& limits, std::uint32_t first,
                         std::size_t before, const ElementMemory& memory);

double sum_of_finite_squares(std::span<const float> values) noexcept;

/// The largest magnitude that at least `least` elements have, cut to what a histogram knows.
std::uint32_t magnitude_from_histogram(const Contribution& from, std::size_t least);

/// The magnitude that about `count` of the elements have, from a sample of as many runs of kSampleRun elements; `draw`
/// is the seed and stream of where they lie. `scratch` has kSampleRun elements for each run.
inline constexpr std::size_t kSampleRun = 16;
std::uint32_t magnitude_from_sample(const Contribution& from, std::size_t count, std::size_t runs, std::uint64_t seed,
                                    std::uint64_t stream, std::span<std::uint32_t> scratch);

}  // namespace tutti::detail
