// f32 as bf16 or f16 with feedback, each value on its own; conversions alone are in cast.hpp.
#pragma once

#include <tutti/kernels/cpp20.hpp>

#include <cstddef>
#include <span>

#include <tutti/kernels/codecs/encoding.hpp>
#include <tutti/kernels/dtype.hpp>

#pragma GCC visibility push(default)
namespace tutti {

struct HalfCode {
  DType format = DType::bf16;  ///< or f16
  /// With `stochastic` bf16 goes up with the probability of what is left: unbiased. Otherwise to nearest, ties to even.
  bool stochastic = false;

  friend bool operator==(const HalfCode&, const HalfCode&) = default;
};

constexpr std::size_t encoded_bytes(const HalfCode& /*code*/, std::size_t count) noexcept { return 2 * count; }

/// As encoding.hpp says, but a value that is not finite is that when decoded, and stands for itself alone: its residual
/// stays. Finite values beyond the largest number count as saturated: with a residual they become that number, without
/// one infinity. \throws InvalidArgument: sizes that do not fit, a code that is none
CodeSums encode(const HalfCode& code, std::span<const float> values, std::span<float> residual, const Draw& draw,
                std::span<std::byte> out);

/// values = what was encoded, or values += that.
void decode(const HalfCode& code, std::span<const std::byte> in, std::span<float> values, bool adds = false);

}  // namespace tutti
#pragma GCC visibility pop
