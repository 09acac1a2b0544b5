// Samples that every model can learn, made up without files.
#pragma once

#include <cstddef>
#include <cstdint>

#include <tutti/kernels/philox.hpp>

namespace tutti::trainer::test {

inline constexpr std::uint64_t kClasses = 3;
inline constexpr std::size_t kPixels = 64;

inline std::int64_t label_of(std::uint64_t id) { return static_cast<std::int64_t>(random_u64(7, 1, id) % kClasses); }

/// A bright bar whose row is the label's, under noise: something that every model can learn.
inline std::uint8_t pixel_of(std::uint64_t id, std::size_t pixel) {
  const bool bar = pixel / 8 == 1 + 2 * static_cast<std::size_t>(label_of(id));
  return static_cast<std::uint8_t>((bar ? 120 : 0) + random_u64(7, 2, id * kPixels + pixel) % 136);
}

}  // namespace tutti::trainer::test
