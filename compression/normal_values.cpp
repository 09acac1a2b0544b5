#include <tutti/compression/normal_values.hpp>

#include <cmath>
#include <cstdint>
#include <numbers>

#include <tutti/kernels/philox.hpp>

namespace tutti {

/// By the transform of Box and Muller, in pairs.
std::vector<float> normal_values(std::size_t count) {
  constexpr std::uint64_t kSeed = 1;
  std::vector<float> values(count);
  for (std::size_t i = 0; i < count; i += 2) {
    const double radius = std::sqrt(-2.0 * std::log1p(-random_uniform(kSeed, 0, i)));
    const double angle = 2.0 * std::numbers::pi * random_uniform(kSeed, 0, i + 1);
    values[i] = static_cast<float>(radius * std::cos(angle));
    if (i + 1 < count) values[i + 1] = static_cast<float>(radius * std::sin(angle));
  }
  return values;
}

std::size_t square_rows(std::size_t count) noexcept {
  if (count == 0) return 0;
  auto rows = static_cast<std::size_t>(std::sqrt(static_cast<double>(count)));
  while (rows > 1 && (count % rows != 0 || rows * rows > count)) --rows;
  return rows > 1 ? rows : 0;
}

}  // namespace tutti
