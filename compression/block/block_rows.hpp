// Rows of the table of codecs that encode block by block, each in the file of its codec.
#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <string_view>

#include <tutti/compression/block/block_codec.hpp>
#include <tutti/compression/codecs.hpp>

namespace tutti::detail {

struct BlockRow {
  const Codec* codec = nullptr;
  std::unique_ptr<const BlockCodec> (*make)(const CodecSettings& settings) = nullptr;
};

std::span<const BlockRow> cast_rows() noexcept;
std::span<const BlockRow> small_float_rows() noexcept;
std::span<const BlockRow> block_integer_rows() noexcept;
std::span<const BlockRow> qsgd_rows() noexcept;
std::span<const BlockRow> terngrad_rows() noexcept;
std::span<const BlockRow> natural_rows() noexcept;
std::span<const BlockRow> sign_rows() noexcept;

constexpr std::size_t block_of(const CodecSettings& settings) { return static_cast<std::size_t>(settings.block); }
inline bool is_stochastic(const CodecSettings& settings) { return settings.rounding == "stochastic"; }

// What a code has, found by its type.
template <class Code>
std::size_t bytes_by(const Code& code, std::size_t count) noexcept {
  return encoded_bytes(code, count);
}
template <class Code>
CodeSums encode_by(const Code& code, std::span<const float> values, std::span<float> residual, const Draw& draw,
                   std::span<std::byte> out) {
  return encode(code, values, residual, draw, out);
}
template <class Code>
void decode_by(const Code& code, std::span<const std::byte> in, std::span<float> values, bool adds) {
  decode(code, in, values, adds);
}

/// A code of kernels/codecs/ in blocks of so many values.
template <class Code>
class KernelCodec final : public BlockCodec {
 public:
  KernelCodec(const Code& code, std::size_t block) : code_(code), block_(block) {}

  std::size_t block() const noexcept override { return block_; }
  std::size_t encoded_bytes(std::size_t count) const noexcept override { return bytes_by(code_, count); }

  CompressionFacts encode(std::span<const float> values, std::span<float> residual, const Draw& draw,
                          std::span<std::byte> out) const override {
    const CodeSums sums = encode_by(code_, values, residual, draw, out);
    return {.values = sums.squares, .error = sums.errors, .saturated = sums.saturated};
  }
  void decode(std::span<const std::byte> in, std::span<float> values) const override {
    decode_by(code_, in, values, false);
  }
  void decode_add(std::span<const std::byte> in, std::span<float> values) const override {
    decode_by(code_, in, values, true);
  }

 private:
  Code code_;
  std::size_t block_;
};

template <class Code>
std::unique_ptr<const BlockCodec> make_kernel_codec(const Code& code) {
  return std::make_unique<KernelCodec<Code>>(code, code.block);
}

/// Bits a value of a tensor, with a header of so many bits for each block.
constexpr double bits_with_header(const CodecSettings& settings, std::size_t count, double bits, double header_bits) {
  if (count == 0) return bits;
  const auto block = static_cast<std::size_t>(settings.block);
  const std::size_t blocks = (count + block - 1) / block;
  return bits + header_bits * static_cast<double>(blocks) / static_cast<double>(count);
}

}  // namespace tutti::detail
