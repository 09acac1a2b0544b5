// Codecs that store f32 in 16 bits, each value on its own.
#include <array>

#include <tutti/compression/block/block_rows.hpp>
#include <tutti/compression/codec_rows.hpp>
#include <tutti/compression/reduction.hpp>
#include <tutti/kernels/codecs/half_codes.hpp>

namespace tutti::detail {
namespace {

/// So that slices of different ranks do not share a cache line often; results do not depend on it.
constexpr std::size_t kCastBlock = 16;

constexpr double bits16(const CodecSettings& /*settings*/, std::size_t /*count*/, int /*ranks*/) { return 16.0; }

constexpr std::array<const CodecParameter*, 3> kBf16Parameters = {&kFeedbackParameter, &kRoundingParameter,
                                                                  &kSeedParameter};
constexpr std::array<const CodecParameter*, 1> kF16Parameters = {&kFeedbackParameter};

constexpr Codec kBf16 = {.name = "bf16",
                         .summary = "values rounded to bfloat16: the range of f32, 8 bits of significand",
                         .error = "|C(x) - x| <= 2^-8 |x|; with rounding=stochastic unbiased, 2^-7 |x|",
                         .source = "IEEE 754 binary32, upper half",
                         .is_elementwise = true,
                         .parameters = kBf16Parameters,
                         .bits = bits16,
                         .make = make_block_reduction};
constexpr Codec kF16 = {.name = "f16",
                        .summary = "values rounded to IEEE half precision: up to 65504, 11 bits of significand",
                        .error =
                            "|C(x) - x| <= max(2^-11 |x|, 2^-25) up to 65504; beyond infinite, or with feedback "
                            "65504 and the rest later",
                        .source = "IEEE 754 binary16",
                        .is_elementwise = true,
                        .parameters = kF16Parameters,
                        .bits = bits16,
                        .make = make_block_reduction};

std::unique_ptr<const BlockCodec> make_bf16(const CodecSettings& settings) {
  return std::make_unique<KernelCodec<HalfCode>>(HalfCode{.format = DType::bf16, .stochastic = is_stochastic(settings)},
                                                 kCastBlock);
}
std::unique_ptr<const BlockCodec> make_f16(const CodecSettings& /*settings*/) {
  return std::make_unique<KernelCodec<HalfCode>>(HalfCode{.format = DType::f16}, kCastBlock);
}

}  // namespace

std::span<const BlockRow> cast_rows() noexcept {
  static constexpr std::array<BlockRow, 2> kRows = {BlockRow{&kBf16, make_bf16}, BlockRow{&kF16, make_f16}};
  return kRows;
}

}  // namespace tutti::detail
