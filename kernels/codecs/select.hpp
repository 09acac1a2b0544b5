// Selecting the values of largest magnitude of a tensor, with what was held back added and held back anew in the same
// pass.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

namespace tutti {

/// Bits of |x| as an integer: the order of magnitudes, with NaN beyond infinity. NaN has one magnitude.
inline constexpr std::uint32_t kInfiniteMagnitude = 0x7f800000U;
inline constexpr std::uint32_t kNanMagnitude = 0x7fc00000U;

/// Numbers that a contribution is made of, elements of one tensor. The contribution is
///   values                                                                      without residual
///   residual + values                                                           without momentum
///   residual + u, u = decay momentum + scale values                             with momentum
///   residual + u + scale values, u = decay (momentum + scale values)            by Nesterov
/// each operation rounded once.
struct Contribution {
  const float* values = nullptr;
  float* residual = nullptr;  ///< null: none
  float* momentum = nullptr;  ///< null: none
  std::size_t count = 0;
  float decay = 0.0F;
  float scale = 1.0F;
  bool nesterov = false;

  /// Elements [begin, begin + n).
  Contribution slice(std::size_t begin, std::size_t n) const noexcept;
};

/// Selected elements go here: their numbers, rising, and what the contribution is there.
struct SelectedElements {
  std::uint32_t* indices = nullptr;
  float* values = nullptr;
};

/// Vectors are stored whole: room that selected elements need behind the last.
inline constexpr std::size_t kSelectionSlack = 16;

struct Selected {
  std::size_t count = 0;  ///< selected
  double squares = 0.0;   ///< sum of squares of the residual afterwards, if there is one
};

/// Selects the elements whose contribution has at least this magnitude; element i is number `first` + i. `out` has room
/// for all of them and kSelectionSlack more. The residual becomes 0 where an element is selected, the contribution
/// elsewhere, and the momentum u. Where the contribution is not finite both stay as they were.
Selected select_by_magnitude(const Contribution& from, std::uint32_t magnitude, std::uint32_t first,
                             SelectedElements out);

/// Magnitudes of the contribution, which changes nothing.
void magnitudes_of(const Contribution& from, std::span<std::uint32_t> magnitudes);

/// How many elements have at least this magnitude.
std::size_t count_by_magnitude(const Contribution& from, std::uint32_t magnitude);

/// How many magnitudes there are of each exponent and upper three bits of significand.
inline constexpr int kHistogramShift = 20;
using MagnitudeHistogram = std::array<std::uint64_t, std::size_t{1} << (31 - kHistogramShift)>;
void add_to_histogram(const Contribution& from, MagnitudeHistogram& histogram);

}  // namespace tutti
