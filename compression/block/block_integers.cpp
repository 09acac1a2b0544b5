// Codecs "block8" and "block4": integers with a scale for each block, the largest magnitude being the highest level.
#include <array>

#include <tutti/compression/block/block_rows.hpp>
#include <tutti/compression/codec_rows.hpp>
#include <tutti/compression/reduction.hpp>
#include <tutti/kernels/codecs/integer_codes.hpp>

namespace tutti::detail {
namespace {

constexpr std::array<const CodecParameter*, 4> kParameters = {&kBlockParameter, &kFeedbackParameter,
                                                              &kRoundingParameter, &kSeedParameter};

constexpr Codec kBlock8 = {
    .name = "block8",
    .summary = "8-bit integers, scaled by the largest value of each block",
    .error =
        "|C(x) - x| <= M/254 for a block's largest M, M/127 with rounding=stochastic (unbiased, variance at most "
        "(M/254)^2); nearest: 1 - delta <= c/(1 + c), c = (block - 1) / 254^2",
    .source = "Dettmers, arXiv:1511.04561",
    .feedback = Feedback::advised,
    .parameters = kParameters,
    .set_defaults = [](CodecSettings& settings) { settings.block = 128; },
    .bits = [](const CodecSettings& settings, std::size_t count,
               int) { return bits_with_header(settings, count, 8.0, 32.0); },
    .make = make_block_reduction};
constexpr Codec kBlock4 = {
    .name = "block4",
    .summary = "4-bit integers, scaled by the largest value of each block",
    .error =
        "|C(x) - x| <= M/14 for a block's largest M, M/7 with rounding=stochastic (unbiased, variance at most "
        "(M/14)^2); nearest: 1 - delta <= c/(1 + c), c = (block - 1) / 14^2",
    .source = "Markov et al., arXiv:2111.08617; Wang et al., arXiv:2306.10209",
    .feedback = Feedback::advised,
    .parameters = kParameters,
    .set_defaults = [](CodecSettings& settings) { settings.block = 128; },
    .bits = [](const CodecSettings& settings, std::size_t count,
               int) { return bits_with_header(settings, count, 4.0, 32.0); },
    .make = make_block_reduction};

template <int kLevels>
std::unique_ptr<const BlockCodec> make_block_integers(const CodecSettings& settings) {
  return make_kernel_codec(
      IntegerCode{.block = block_of(settings), .levels = kLevels, .stochastic = is_stochastic(settings)});
}

}  // namespace

std::span<const BlockRow> block_integer_rows() noexcept {
  static constexpr std::array<BlockRow, 2> kRows = {BlockRow{&kBlock8, make_block_integers<127>},
                                                    BlockRow{&kBlock4, make_block_integers<7>}};
  return kRows;
}

}  // namespace tutti::detail
