// Blocks of f32 as small integers and a scale: value = integer * unit, integer from -levels to levels.
//
// A block: unit (f32, NaN if the block is not finite), then integers of two's complement: 2 bits with one level, 4 with
// up to 7, 8 with up to 127; the first in the lowest bits.
#pragma once

#include <tutti/kernels/cpp20.hpp>

#include <cstddef>
#include <cstdint>
#include <span>

#include <tutti/kernels/codecs/encoding.hpp>

#pragma GCC visibility push(default)
namespace tutti {

struct IntegerCode {
  /// What the highest level stands for.
  enum class Scale : std::uint8_t {
    largest,  ///< the largest magnitude of the block
    norm      ///< sqrt(sum of squares)
  };

  std::size_t block = 1024;
  int levels = 127;
  Scale scale = Scale::largest;
  bool stochastic = false;  ///< unbiased: up with the probability of what is left; otherwise to nearest, ties to even
  double clip = 0.0;        ///< magnitudes beyond so many times the root mean square become that, if not 0

  friend bool operator==(const IntegerCode&, const IntegerCode&) = default;
};

/// A block whose highest level would stand for less than this is sent as zeros; a residual keeps it.
inline constexpr float kSmallestScale = 0x1p-100F;

constexpr std::size_t bits_of(const IntegerCode& code) noexcept {
  return code.levels == 1 ? 2 : code.levels <= 7 ? 4 : 8;
}
constexpr std::size_t encoded_bytes(const IntegerCode& code, std::size_t count) noexcept {
  return detail::bytes_of_blocks(count, code.block, sizeof(float), bits_of(code));
}

/// As encoding.hpp says. \throws InvalidArgument: sizes that do not fit, a code that is none
CodeSums encode(const IntegerCode& code, std::span<const float> values, std::span<float> residual, const Draw& draw,
                std::span<std::byte> out);

/// values = what was encoded, or values += that. Any bytes are decoded to something.
void decode(const IntegerCode& code, std::span<const std::byte> in, std::span<float> values, bool adds = false);

}  // namespace tutti
#pragma GCC visibility pop
