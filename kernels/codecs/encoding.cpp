#include <tutti/kernels/codecs/encoding.hpp>

#include <bit>

#include <tutti/kernels/error.hpp>
#include <tutti/kernels/text.hpp>

namespace tutti::detail {

EncodeArguments encode_arguments(std::span<const float> values, std::span<float> residual, const Draw& draw,
                                 std::span<std::byte> out, std::size_t encoded_bytes) {
  if (!residual.empty() && residual.size() != values.size())
    throw InvalidArgument(text("encode: ", values.size(), " values and a residual of ", residual.size()));
  if (out.size() != encoded_bytes)
    throw InvalidArgument(text("encode: room for ", out.size(), " bytes, and codes of ", encoded_bytes));
  return {.values = values.data(),
          .residual = residual.empty() ? nullptr : residual.data(),
          .count = values.size(),
          .draw = draw,
          .out = reinterpret_cast<std::uint8_t*>(out.data())};
}

DecodeArguments decode_arguments(std::span<const std::byte> in, std::span<float> values, std::size_t encoded_bytes,
                                 bool adds) {
  if (in.size() != encoded_bytes)
    throw InvalidArgument(text("decode: ", in.size(), " bytes, and codes of ", encoded_bytes));
  return {.in = reinterpret_cast<const std::uint8_t*>(in.data()),
          .values = values.data(),
          .count = values.size(),
          .adds = adds};
}

void require_block(std::size_t block) {
  if (!std::has_single_bit(block) || block < kSmallestBlock || block > kLargestBlock)
    throw InvalidArgument(
        text("a block of ", block, " values is no power of two from ", kSmallestBlock, " to ", kLargestBlock));
}

}  // namespace tutti::detail
