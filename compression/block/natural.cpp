// Codec "natural": powers of two.
#include <array>

#include <tutti/compression/block/block_rows.hpp>
#include <tutti/compression/codec_rows.hpp>
#include <tutti/compression/reduction.hpp>
#include <tutti/kernels/codecs/power_codes.hpp>

namespace tutti::detail {
namespace {

constexpr std::array<const CodecParameter*, 4> kNaturalParameters = {&kBlockParameter, &kFeedbackParameter,
                                                                     &kRoundingParameter, &kSeedParameter};

constexpr Codec kNatural = {
    .name = "natural",
    .summary = "powers of two: sign and 7 bits of exponent, counted down from the largest value of each block",
    .error = "stochastic: variance at most |x|^2 / 8; nearest: |C(x) - x| <= |x| / 3, 1 - delta <= 1/9",
    .source = "Horvath et al., arXiv:1905.10988",
    .is_unbiased = true,
    .parameters = kNaturalParameters,
    .set_defaults =
        [](CodecSettings& settings) {
          settings.block = 1024;
          settings.rounding = "stochastic";
        },
    .bits = [](const CodecSettings& settings, std::size_t count,
               int) { return bits_with_header(settings, count, 8.0, 8.0); },
    .make = make_block_reduction};

std::unique_ptr<const BlockCodec> make_natural(const CodecSettings& settings) {
  return make_kernel_codec(PowerCode{.block = block_of(settings), .stochastic = is_stochastic(settings)});
}

}  // namespace

std::span<const BlockRow> natural_rows() noexcept {
  static constexpr std::array<BlockRow, 1> kRows = {BlockRow{&kNatural, make_natural}};
  return kRows;
}

}  // namespace tutti::detail
