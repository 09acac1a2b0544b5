// Integers on a scale that all contributors of a block share, so that they can be added as they are.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include <tutti/kernels/buffer.hpp>
#include <tutti/kernels/codecs/encoding.hpp>

namespace tutti {

// Values lie in blocks, of which the last may be shorter. A block has a magnitude M that no contributor exceeds, as
// the bits of a f32 without sign: NaN is above infinity and this above all numbers. A value x becomes the integer
// nearest to x / u, at most L in magnitude, and a sum s of integers becomes s u. The unit u is M / L rounded to f32,
// and x / u is x (L / M) with that quotient rounded; or u is the least power of two from M / L on: then integers are up
// to half as large, but x - q u, sums of integers and their values are exact. With M below kLeastScale factors would
// not be normal: such a block becomes zeros. With M not finite its integers are zeros, too, and decoded they are NaN.

inline constexpr float kLeastScale = 0x1p-100F;
inline constexpr std::uint32_t kNotFinite = 0x7F800000U;  ///< from here on

struct IntegerGrid {
  std::size_t block = 1024;  ///< a multiple of 8, at most kMaxSharedBlock
  std::int32_t limit = 1;    ///< L
  bool power_of_two = false;
};
inline constexpr std::size_t kMaxSharedBlock = 1024;

/// Codes are i16, i8, or u8 with two values in a byte: of a block of n, value i in the lower half of byte i and value
/// i + ceil(n / 2) in the upper half, L more than the integer. Sums of codes are of the same type, or wider: i32, i16,
/// or u16 with two values in its two bytes. Elements of `count` values of one tensor:
std::size_t code_count(std::size_t count, std::size_t block, DType codes) noexcept;

/// For each block the largest magnitude of values + residual; an empty residual is none. The bits of M.
void largest_magnitudes(std::span<const float> values, std::span<const float> residual, std::size_t block,
                        std::span<std::uint32_t> largest);

/// Encodes values + residual, which becomes what the codes lack of it, but stays as it is in blocks that are not
/// finite; an empty residual is none. `held` becomes its largest magnitudes by block, if it is not empty. Rounds to
/// nearest, ties to even, or with `draws` up where the draw of an element is below its fraction. Sums leave out blocks
/// that are not finite. One pass; the same bits on every instruction set.
CodeSums encode_shared(std::span<const float> values, std::span<float> residual, const IntegerGrid& grid,
                       std::span<const std::uint32_t> largest, const Draw* draws, Buffer codes,
                       std::span<std::uint32_t> held = {});

/// sums += codes, where sums are wider.
void add_codes(ConstBuffer codes, Buffer sums);

/// The values of sums of so many codes, each (s / divisor) u.
void decode_shared(ConstBuffer sums, const IntegerGrid& grid, int contributions, std::span<const std::uint32_t> largest,
                   int divisor, std::span<float> values);

}  // namespace tutti
