// Blocks of f32 as powers of two: a byte for sign and exponent.
//
// A block: exponent of the least power + 127 (a byte from 1 on; 255 if the block is not finite), then a byte for each
// value: bit 7 is the sign, the rest 0 for zero, or k for k - 1 powers above the least one. The largest value of the
// block is at most the 127th.
#pragma once

#include <tutti/kernels/cpp20.hpp>

#include <cstddef>
#include <span>

#include <tutti/kernels/codecs/encoding.hpp>

#pragma GCC visibility push(default)
namespace tutti {

struct PowerCode {
  std::size_t block = 1024;
  /// Up with the probability that makes the mean the value; otherwise to the nearest power, from 1.5 on up. What is
  /// below the least power of its block becomes zero or that power likewise.
  bool stochastic = true;

  friend bool operator==(const PowerCode&, const PowerCode&) = default;
};

constexpr std::size_t encoded_bytes(const PowerCode& code, std::size_t count) noexcept {
  return detail::bytes_of_blocks(count, code.block, 1, 8);
}

/// As encoding.hpp says; what is beyond 2^127 becomes that and counts as saturated. \throws InvalidArgument: sizes that
/// do not fit, a code that is none
CodeSums encode(const PowerCode& code, std::span<const float> values, std::span<float> residual, const Draw& draw,
                std::span<std::byte> out);

/// values = what was encoded, or values += that. Any bytes are decoded to something.
void decode(const PowerCode& code, std::span<const std::byte> in, std::span<float> values, bool adds = false);

}  // namespace tutti
#pragma GCC visibility pop
