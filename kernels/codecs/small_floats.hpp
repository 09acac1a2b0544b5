// Blocks of f32 as floating-point numbers of one byte and a scale that is a power of two.
//
// A block: exponent of the scale + 127 (a byte; 255 if the block is not finite), then a byte for each value. The scale
// is the least with which no value is beyond the largest number of the format, so scaling is exact and nothing
// saturates.
#pragma once

#include <tutti/kernels/cpp20.hpp>

#include <cstddef>
#include <cstdint>
#include <span>

#include <tutti/kernels/codecs/encoding.hpp>

#pragma GCC visibility push(default)
namespace tutti {

struct SmallFloatCode {
  /// OCP 8-bit Floating Point Specification, revision 1.0.
  enum class Format : std::uint8_t {
    e4m3,  ///< 3 bits of fraction, up to 448, down to 2^-9
    e5m2   ///< 2 bits of fraction, up to 57344, down to 2^-16
  };
  std::size_t block = 128;
  Format format = Format::e4m3;

  friend bool operator==(const SmallFloatCode&, const SmallFloatCode&) = default;
};

constexpr std::size_t encoded_bytes(const SmallFloatCode& code, std::size_t count) noexcept {
  return detail::bytes_of_blocks(count, code.block, 1, 8);
}

/// As encoding.hpp says: to nearest, ties to even. \throws InvalidArgument: sizes that do not fit, a code that is none
CodeSums encode(const SmallFloatCode& code, std::span<const float> values, std::span<float> residual, const Draw& draw,
                std::span<std::byte> out);

/// values = what was encoded, or values += that. Any bytes are decoded to something.
void decode(const SmallFloatCode& code, std::span<const std::byte> in, std::span<float> values, bool adds = false);

}  // namespace tutti
#pragma GCC visibility pop
