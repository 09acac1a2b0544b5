// What the encoders of blocks of f32 have in common: their arguments and what they report.
//
// An encoder takes values and, if there is one, a residual: what earlier calls have held back. It encodes their sum p
// and leaves in the residual what the codes, decoded, lack of p: one pass over memory. Blocks lie one after another, a
// header and then codes, packed from the lowest bit of the first byte on; the last block may be shorter. Codes are the
// same bytes on every instruction set.
//
// A block with a value of p that is not finite gets a header that says so: all of it is decoded as NaN, and its
// residual stays as it was. Blocks are powers of two of values, from kSmallestBlock on.
#pragma once

#include <tutti/kernels/cpp20.hpp>

#include <cstddef>
#include <cstdint>
#include <span>

#pragma GCC visibility push(default)
namespace tutti {

inline constexpr std::size_t kSmallestBlock = 32;
inline constexpr std::size_t kLargestBlock = 65536;

/// Where draws come from. Value i of a tensor draws 16 bits h: half i mod 2, the lower first, of word (i mod 8) / 2 of
/// Philox (philox.hpp) of (seed; counter i / 8, stream). As a number that is (h + 1/2) 2^-16: probabilities are met to
/// 2^-17, and what needs no rounding stays. Contributors need streams of their own, or their errors would add up
/// instead of cancelling out.
struct Draw {
  std::uint64_t seed = 0;
  std::uint64_t stream = 0;
  std::uint64_t first = 0;  ///< index of the first value within the tensor: a multiple of the block, or of 1,024
};

/// Over values that were finite, in an order that depends on their number alone.
struct CodeSums {
  double squares = 0.0;         ///< of p
  double errors = 0.0;          ///< squares of what the codes lack of p
  std::uint64_t saturated = 0;  ///< finite values beyond the range of the codes
};

namespace detail {

/// What an encoder and a decoder work on; `residual` may be null.
struct EncodeArguments {
  const float* values = nullptr;
  float* residual = nullptr;
  std::size_t count = 0;
  Draw draw = {};
  std::uint8_t* out = nullptr;
};
struct DecodeArguments {
  const std::uint8_t* in = nullptr;
  float* values = nullptr;
  std::size_t count = 0;
  bool adds = false;  ///< to the values, instead of replacing them
};

/// \throws InvalidArgument: sizes that do not fit each other, or a block that is none
EncodeArguments encode_arguments(std::span<const float> values, std::span<float> residual, const Draw& draw,
                                 std::span<std::byte> out, std::size_t encoded_bytes);
DecodeArguments decode_arguments(std::span<const std::byte> in, std::span<float> values, std::size_t encoded_bytes,
                                 bool adds);
void require_block(std::size_t block);

/// Of `count` values in blocks: a header each, and codes of `bits` bits in whole bytes.
constexpr std::size_t bytes_of_blocks(std::size_t count, std::size_t block, std::size_t header, std::size_t bits) {
  const std::size_t whole = count / block;
  const std::size_t rest = count % block;
  return whole * (header + block * bits / 8) + (rest == 0 ? 0 : header + (rest * bits + 7) / 8);
}

}  // namespace detail
}  // namespace tutti
#pragma GCC visibility pop
