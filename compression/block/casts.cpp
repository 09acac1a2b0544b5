// Codecs that store f32 in 16 bits.
#include <array>
#include <cmath>
#include <vector>

#include <tutti/compression/block/block_codec.hpp>
#include <tutti/compression/codec_rows.hpp>
#include <tutti/compression/reduction.hpp>
#include <tutti/kernels/cast.hpp>
#include <tutti/kernels/dtype.hpp>
#include <tutti/kernels/error.hpp>
#include <tutti/kernels/text.hpp>

namespace tutti::detail {
namespace {

/// Values rounded to a 16-bit floating-point type, each on its own.
class CastCodec final : public BlockCodec {
 public:
  explicit CastCodec(DType wire) : wire_(wire) {}

  std::size_t block() const noexcept override { return 16; }
  std::size_t encoded_bytes(std::size_t count) const noexcept override { return count * size_of(wire_); }

  CompressionFacts encode(std::span<const float> values, std::span<float> residual, const Draw& /*draw*/,
                          std::span<std::byte> out) const override {
    const Buffer codes(out.data(), values.size(), wire_);
    if (residual.empty()) {
      cast(ConstBuffer(values), codes);
      return {};
    }
    CompressionFacts facts;
    std::vector<float> sums(values.size());
    std::vector<float> decoded(values.size());
    for (std::size_t i = 0; i < values.size(); ++i) sums[i] = values[i] + residual[i];
    cast(ConstBuffer(std::span<const float>(sums)), codes);
    cast(codes, Buffer(std::span(decoded)));
    for (std::size_t i = 0; i < values.size(); ++i) {
      const float error = sums[i] - decoded[i];
      if (!std::isfinite(error)) continue;
      residual[i] = error;
      facts.values += static_cast<double>(sums[i]) * static_cast<double>(sums[i]);
      facts.error += static_cast<double>(error) * static_cast<double>(error);
    }
    return facts;
  }

  void decode(std::span<const std::byte> in, std::span<float> values) const override {
    cast(ConstBuffer(in.data(), values.size(), wire_), Buffer(values));
  }
  void decode_add(std::span<const std::byte> in, std::span<float> values) const override {
    std::vector<float> term(values.size());
    decode(in, term);
    reduce_local(ReduceOp::sum, ConstBuffer(values), ConstBuffer(std::span<const float>(term)), Buffer(values));
  }

 private:
  DType wire_;
};

constexpr double bits16(const CodecSettings&, std::size_t, int) { return 16.0; }

constexpr std::array<const CodecParameter*, 1> kCastParameters = {&kFeedbackParameter};

constexpr Codec kBf16 = {.name = "bf16",
                         .summary = "values rounded to bfloat16: the range of f32, 8 bits of significand",
                         .error = "|C(x) - x| <= 2^-8 |x|",
                         .source = "IEEE 754 binary32, upper half",
                         .is_elementwise = true,
                         .parameters = kCastParameters,
                         .bits = bits16,
                         .make = make_block_reduction};
constexpr Codec kF16 = {.name = "f16",
                        .summary = "values rounded to IEEE half precision: up to 65504, 11 bits of significand",
                        .error = "|C(x) - x| <= max(2^-11 |x|, 2^-25) up to 65504, infinite beyond",
                        .source = "IEEE 754 binary16",
                        .is_elementwise = true,
                        .parameters = kCastParameters,
                        .bits = bits16,
                        .make = make_block_reduction};

}  // namespace

std::span<const Codec* const> block_codecs() noexcept {
  static constexpr std::array<const Codec*, 2> kRows = {&kBf16, &kF16};
  return kRows;
}

std::unique_ptr<const BlockCodec> make_block_codec(const CodecSettings& settings) {
  if (settings.codec == "bf16" || settings.codec == "f16")
    return std::make_unique<CastCodec>(dtype_from_name(settings.codec));
  throw InvalidArgument(text("codec '", settings.codec, "' does not encode block by block"));
}

}  // namespace tutti::detail
