// Integers on a shared scale written out in scalars, as kernels/codecs/shared_scale.hpp defines them.
#pragma once

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>

#include <tutti/kernels/codecs/draws.hpp>
#include <tutti/kernels/codecs/shared_scale.hpp>
#include <tutti/kernels/philox.hpp>

namespace tutti::test {

inline std::uint32_t magnitude_of(float x) { return std::bit_cast<std::uint32_t>(x) & 0x7FFFFFFFU; }

inline float unit_of(float m, const IntegerGrid& grid) {
  const double exact = static_cast<double>(m) / grid.limit;
  if (grid.power_of_two) return static_cast<float>(std::exp2(std::ceil(std::log2(exact))));
  const auto unit = static_cast<float>(exact);
  return std::isinf(unit * static_cast<float>(grid.limit)) ? std::nextafter(unit, 0.0F) : unit;
}

/// `draw` < 0: to nearest.
inline int naive_code(float p, float m, const IntegerGrid& grid, float draw) {
  if (!std::isfinite(m) || m < kLeastScale) return 0;
  const float factor =
      grid.power_of_two ? 1.0F / unit_of(m, grid) : static_cast<float>(grid.limit / static_cast<double>(m));
  const float x = p * factor;
  const auto most = static_cast<float>(grid.limit);
  const float inside = std::clamp(x, -most, most);
  if (draw < 0) return static_cast<int>(std::nearbyint(inside));
  const float floor = std::floor(inside);
  return static_cast<int>(floor) + (draw < inside - floor ? 1 : 0);
}

inline float naive_draw(const Draw& source, std::size_t i) {
  const std::uint64_t element = source.first + i;
  const std::uint64_t counter = element / 8;
  const PhiloxCounter words =
      philox4x32({static_cast<std::uint32_t>(counter), static_cast<std::uint32_t>(counter >> 32),
                  static_cast<std::uint32_t>(source.stream), static_cast<std::uint32_t>(source.stream >> 32)},
                 philox_key(source.seed));
  return (static_cast<float>(words[element % 8 / 2] >> (element % 2 * 16) & 0xFFFFU) + 0.5F) * 0x1p-16F;
}

}  // namespace tutti::test
