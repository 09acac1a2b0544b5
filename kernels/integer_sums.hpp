// Sums of f32 that do not depend on their order: values become integers on a power-of-two scale, integers are added,
// and the sum becomes f32 again.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include <tutti/kernels/buffer.hpp>
#include <tutti/kernels/gradients.hpp>

namespace tutti {

// Values lie in blocks of kNormBlock, of which the last may be shorter. Each block has a scale, one byte: the largest
// biased exponent (the 8 bits of an f32 beside its sign) that fits. It stands for values below 2^(scale - 126), and
// `bits` of an integer for the largest of them: a value becomes rint(value * 2^(bits + 126 - scale)), ties to even.
//
// No sum overflows: with L = ceil(log2(addends)) a value below 2^e, e = scale - 126, is at most 2^e - 2^(e - 24).
//   L <= 7, bits = 31 - L: it becomes at most 2^(31-L) - 2^(7-L), an integer, so rounding does not raise it, and 2^L of
//           them are at most 2^31 - 2^7.
//   L >= 8, bits = 30 - L: it becomes at most 2^(30-L), by rounding, and 2^L of them are at most 2^30.
// With bits = 31 - L and L = 8 it would become 2^23 - 1/2, which rounds up to 2^23: 256 of them are 2^31, one too many.

/// Scale of a block with values that are not finite: fits no integer.
inline constexpr std::uint8_t kNotFiniteScale = 255;

/// The most addends that leave an integer enough bits (18 for the largest value of a block).
inline constexpr std::uint64_t kMostAddends = 4096;

/// Bits of an integer for one of so many addends. Requires 1 <= addends <= kMostAddends.
int integer_bits(std::uint64_t addends) noexcept;

/// Adds the integers of `values` to `sums` in one pass over memory. `largest` of each block becomes the scale that its
/// values need, if that is larger. A block that needs more than its `scales` adds nothing:
/// the sum is to be thrown away then. Values below 2^-126, which are denormal, need scale 0, as zeros do; the finest
/// integer is 2^-126, whatever the scale. The same bits on every instruction set.
/// \throws InvalidArgument: other than f32, other counts, bits out of range
void add_as_integers(ConstBuffer values, std::span<std::int32_t> sums, std::span<const std::uint8_t> scales,
                     std::span<std::uint8_t> largest, int bits);

/// The values of sums, each rounded once, ties to even; beyond the range of f32 they are infinite.
/// \throws InvalidArgument as above
void integers_to_values(std::span<const std::int32_t> sums, Buffer values, std::span<const std::uint8_t> scales,
                        int bits);

}  // namespace tutti
