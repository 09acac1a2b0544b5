// Integers on a shared scale written out in scalars, as kernels/codecs/shared_scale.hpp defines them.
#pragma once

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include <tutti/compression/codecs.hpp>
#include <tutti/compression/integers/integer_plan.hpp>
#include <tutti/kernels/buffer.hpp>
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

/// The integer of element i among codes or their sums; those of two in an element lie `offset` above zero.
inline int integer_at(ConstBuffer codes, std::size_t i, std::size_t count, std::size_t block, int offset) {
  const auto at = [&]<class T>(T, std::size_t k) { return static_cast<int>(static_cast<const T*>(codes.data)[k]); };
  if (codes.dtype == DType::i32) return at(std::int32_t{}, i);
  if (codes.dtype == DType::i16) return at(std::int16_t{}, i);
  if (codes.dtype == DType::i8) return at(std::int8_t{}, i);
  const std::size_t first = i / block * block;
  const std::size_t half = (std::min(block, count - first) + 1) / 2;
  const std::size_t inside = i - first;
  const std::size_t k = first / 2 + inside % half;
  if (codes.dtype == DType::u16) return (at(std::uint16_t{}, k) >> (inside < half ? 0 : 8) & 255) - offset;
  return (at(std::uint8_t{}, k) >> (inside < half ? 0 : 4) & 15) - offset;
}

/// Memory of codes with guard bytes behind.
class Codes {
 public:
  Codes(const detail::IntegerPlan& plan, DType dtype, std::size_t count)
      : block_(plan.grid.block), values_(count), count_(code_count(count, block_, dtype)), dtype_(dtype) {
    bytes_.assign(count_ * size_of(dtype) + kGuard, std::byte{0});
    std::fill(bytes_.end() - kGuard, bytes_.end(), std::byte{0xA5});
  }
  Buffer buffer() { return {bytes_.data(), count_, dtype_}; }
  int at(std::size_t i, int offset) { return integer_at(buffer(), i, values_, block_, offset); }
  bool is_guarded() const {
    return std::all_of(bytes_.end() - kGuard, bytes_.end(), [](std::byte b) { return b == std::byte{0xA5}; });
  }

 private:
  static constexpr std::ptrdiff_t kGuard = 64;
  std::size_t block_, values_, count_;
  DType dtype_;
  std::vector<std::byte> bytes_;
};

inline detail::IntegerPlan plan_of(const std::string& codec, std::size_t ranks) {
  return detail::plan_integers(codec_settings(codec), ranks);
}

}  // namespace tutti::test
