// Codec "qsgd": levels of the norm of a block, rounded at random such that the mean is the value.
#include <array>

#include <tutti/compression/block/block_rows.hpp>
#include <tutti/compression/codec_rows.hpp>
#include <tutti/compression/reduction.hpp>
#include <tutti/kernels/codecs/integer_codes.hpp>

namespace tutti::detail {
namespace {

constexpr CodecParameter kLevelsParameter = {.name = "levels",
                                             .meaning = "between 0 and the norm of a block",
                                             .slot = &CodecSettings::levels,
                                             .low = 1,
                                             .high = 127};
constexpr std::array<const CodecParameter*, 3> kQsgdParameters = {&kLevelsParameter, &kBlockParameter, &kSeedParameter};

IntegerCode qsgd_code(const CodecSettings& settings) {
  return {.block = block_of(settings),
          .levels = static_cast<int>(settings.levels),
          .scale = IntegerCode::Scale::norm,
          .stochastic = true};
}

std::unique_ptr<const BlockCodec> make_qsgd(const CodecSettings& settings) {
  return make_kernel_codec(qsgd_code(settings));
}

constexpr Codec kQsgd = {.name = "qsgd",
                         .summary = "levels of the norm of each block, in 2 (1 level), 4 (up to 7) or 8 bits",
                         .error = "variance at most min(block / levels^2, sqrt(block) / levels) |x|^2",
                         .source = "Alistarh et al., arXiv:1610.02132",
                         .is_unbiased = true,
                         .feedback = Feedback::refused,
                         .parameters = kQsgdParameters,
                         .set_defaults = [](CodecSettings& settings) { settings.block = 128; },
                         .bits =
                             [](const CodecSettings& settings, std::size_t count, int) {
                               const auto bits = static_cast<double>(bits_of(qsgd_code(settings)));
                               return bits_with_header(settings, count, bits, 32.0);
                             },
                         .make = make_block_reduction};

}  // namespace

std::span<const BlockRow> qsgd_rows() noexcept {
  static constexpr std::array<BlockRow, 1> kRows = {BlockRow{&kQsgd, make_qsgd}};
  return kRows;
}

}  // namespace tutti::detail
