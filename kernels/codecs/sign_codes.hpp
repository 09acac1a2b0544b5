// Blocks of f32 as signs: one bit a value, 1 for those below zero.
//
// A block: scale (f32, NaN if the block is not finite), then bits. Values are decoded as scale or -scale.
#pragma once

#include <tutti/kernels/cpp20.hpp>

#include <cstddef>
#include <span>

#include <tutti/kernels/codecs/encoding.hpp>

#pragma GCC visibility push(default)
namespace tutti {

struct SignCode {
  std::size_t block = 1024;
  bool is_scaled = true;  ///< by the mean magnitude of the block, the best scale there is; otherwise by 1

  friend bool operator==(const SignCode&, const SignCode&) = default;
};

constexpr std::size_t encoded_bytes(const SignCode& code, std::size_t count) noexcept {
  return detail::bytes_of_blocks(count, code.block, sizeof(float), 1);
}

/// As encoding.hpp says. \throws InvalidArgument: sizes that do not fit, a code that is none
CodeSums encode(const SignCode& code, std::span<const float> values, std::span<float> residual, const Draw& draw,
                std::span<std::byte> out);

/// values = what was encoded, or values += that. Any bytes are decoded to something.
void decode(const SignCode& code, std::span<const std::byte> in, std::span<float> values, bool adds = false);

}  // namespace tutti
#pragma GCC visibility pop
