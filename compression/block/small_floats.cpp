// Codec "fp8": 8-bit floating point with a scale for each block.
#include <array>

#include <tutti/compression/block/block_rows.hpp>
#include <tutti/compression/codec_rows.hpp>
#include <tutti/compression/reduction.hpp>
#include <tutti/kernels/codecs/small_floats.hpp>

namespace tutti::detail {
namespace {

constexpr std::array<std::string_view, 2> kFormats = {"e4m3", "e5m2"};
constexpr CodecParameter kFormatParameter = {
    .name = "format", .meaning = "bits of exponent and fraction", .slot = &CodecSettings::format, .choices = kFormats};
constexpr std::array<const CodecParameter*, 3> kFp8Parameters = {&kFormatParameter, &kBlockParameter,
                                                                 &kFeedbackParameter};

constexpr Codec kFp8 = {
    .name = "fp8",
    .summary = "OCP 8-bit floating point, e4m3 or e5m2, scaled by a power of two for each block",
    .error =
        "|C(x) - x| <= 2^-4 |x| (e4m3) or 2^-3 |x| (e5m2), absolute 2^-17 or 2^-31 of the block's largest value; "
        "1 - delta <= 2^-8 or 2^-6 where no value is below 2^-13 or 2^-28 of the largest",
    .source = "OCP 8-bit Floating Point Specification 1.0; Micikevicius et al., arXiv:2209.05433",
    .feedback = Feedback::advised,
    .parameters = kFp8Parameters,
    .set_defaults = [](CodecSettings& settings) { settings.block = 128; },
    .bits = [](const CodecSettings& settings, std::size_t count,
               int) { return bits_with_header(settings, count, 8.0, 8.0); },
    .make = make_block_reduction};

std::unique_ptr<const BlockCodec> make_fp8(const CodecSettings& settings) {
  const bool is_e4m3 = settings.format == "e4m3";
  return make_kernel_codec(SmallFloatCode{
      .block = block_of(settings), .format = is_e4m3 ? SmallFloatCode::Format::e4m3 : SmallFloatCode::Format::e5m2});
}

}  // namespace

std::span<const BlockRow> small_float_rows() noexcept {
  static constexpr std::array<BlockRow, 1> kRows = {BlockRow{&kFp8, make_fp8}};
  return kRows;
}

}  // namespace tutti::detail
