// Conversion between f32 and the 16-bit floating-point types. Rounding is to nearest, ties to even; overflow gives
// infinity; NaN stays NaN (quiet, with sign and upper payload); subnormal numbers are kept.
#pragma once

#include <tutti/kernels/cpp20.hpp>

#include <bit>
#include <cstdint>
#include <span>

#include <tutti/kernels/buffer.hpp>

#pragma GCC visibility push(default)
namespace tutti {

constexpr float to_f32(bfloat16 x) noexcept { return std::bit_cast<float>(static_cast<std::uint32_t>(x.bits) << 16); }

constexpr bfloat16 to_bf16(float x) noexcept {
  const auto bits = std::bit_cast<std::uint32_t>(x);
  if ((bits & 0x7fffffffU) > 0x7f800000U) return {static_cast<std::uint16_t>((bits >> 16) | 0x40U)};
  return {static_cast<std::uint16_t>((bits + 0x7fffU + ((bits >> 16) & 1U)) >> 16)};
}

float to_f32(float16 x) noexcept;
float16 to_f16(float x) noexcept;

/// out[i] = in[i] converted to out.dtype. Pairs: f32 -> bf16, f32 -> f16, bf16 -> f32, f16 -> f32; same count, no
/// overlap. \throws InvalidArgument for any other pair.
void cast(ConstBuffer in, Buffer out);

}  // namespace tutti
#pragma GCC visibility pop
