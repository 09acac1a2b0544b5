#include <tutti/compression/normal_values.hpp>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <numbers>

#include <tutti/kernels/philox.hpp>

namespace tutti {

/// By the transform of Box and Muller, in pairs.
std::vector<float> normal_values(std::size_t count) {
  constexpr std::uint64_t kSeed = 1;
  constexpr std::size_t kPeriod = (std::size_t{1} << 16) + 1;  // odd: rows of a matrix differ
  std::vector<float> values(count);
  const std::size_t drawn = std::min(count, kPeriod);
  for (std::size_t i = 0; i < drawn; i += 2) {
    const double radius = std::sqrt(-2.0 * std::log1p(-random_uniform(kSeed, 0, i)));
    const double angle = 2.0 * std::numbers::pi * random_uniform(kSeed, 0, i + 1);
    values[i] = static_cast<float>(radius * std::cos(angle));
    if (i + 1 < drawn) values[i + 1] = static_cast<float>(radius * std::sin(angle));
  }
  for (std::size_t i = kPeriod; i < count; ++i) values[i] = values[i - kPeriod];
  return values;
}

std::size_t square_rows(std::size_t count) noexcept {
  if (count == 0) return 0;
  auto rows = static_cast<std::size_t>(std::sqrt(static_cast<double>(count)));
  while (rows > 1 && (count % rows != 0 || rows * rows > count)) --rows;
  return rows > 1 ? rows : 0;
}

}  // namespace tutti
