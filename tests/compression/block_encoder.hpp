// What tests of block codecs share: a codec that encodes and decodes, and values.
#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>
#include <string>
#include <vector>

#include <tutti/compression/block/block_codec.hpp>
#include <tutti/compression/codecs.hpp>
#include <tutti/kernels/philox.hpp>

namespace tutti::test {

inline constexpr std::uint64_t kBlockSeed = 20261130;
inline constexpr float kInfinity = std::numeric_limits<float>::infinity();

/// A codec, and what its last encoding did.
class BlockEncoder {
 public:
  explicit BlockEncoder(const std::string& settings)
      : settings_(codec_settings(settings)), codec_(detail::make_block_codec(settings_)) {}

  /// Encodes and decodes; draws are those of a step and a contributor.
  std::vector<float> operator()(const std::vector<float>& values, std::uint64_t step = 0,
                                std::uint64_t contributor = 0) {
    if (settings_.feedback) residual_.resize(values.size());
    bytes_.assign(codec_->encoded_bytes(values.size()), std::byte{0xFF});
    const Draw draw = {.seed = kBlockSeed, .stream = detail::draw_stream(step, 3, contributor)};
    facts_ = codec_->encode(values, residual_, draw, bytes_);
    std::vector<float> decoded(values.size(), -1.0F);
    codec_->decode(bytes_, decoded);
    return decoded;
  }

  const CodecSettings& settings() const { return settings_; }
  const std::vector<std::byte>& bytes() const { return bytes_; }
  std::vector<float>& residual() { return residual_; }
  const CompressionFacts& facts() const { return facts_; }

 private:
  CodecSettings settings_;
  std::unique_ptr<const detail::BlockCodec> codec_;
  std::vector<std::byte> bytes_;
  std::vector<float> residual_;
  CompressionFacts facts_;
};

inline int byte_at(const BlockEncoder& encoder, std::size_t i) { return std::to_integer<int>(encoder.bytes().at(i)); }

inline float normal_value(std::uint64_t stream, std::size_t i) {
  const double u = 1.0 - random_uniform(kBlockSeed, stream, 2 * i);
  return static_cast<float>(std::sqrt(-2 * std::log(u)) *
                            std::cos(6.283185307179586 * random_uniform(kBlockSeed, stream, 2 * i + 1)));
}

}  // namespace tutti::test
