// Codec "terngrad": -1, 0 or 1 times the largest magnitude of a block, at random such that the mean is the value.
#include <array>

#include <tutti/compression/block/block_rows.hpp>
#include <tutti/compression/codec_rows.hpp>
#include <tutti/compression/reduction.hpp>
#include <tutti/kernels/codecs/integer_codes.hpp>

namespace tutti::detail {
namespace {

constexpr CodecParameter kClipParameter = {
    .name = "clip",
    .meaning = "magnitudes beyond so many times the root mean square of their block become that; 0: none do",
    .slot = &CodecSettings::clip,
    .low = 0,
    .high = 1e6};
constexpr std::array<const CodecParameter*, 3> kTerngradParameters = {&kClipParameter, &kBlockParameter,
                                                                      &kSeedParameter};

constexpr Codec kTerngrad = {
    .name = "terngrad",
    .summary = "-1, 0 or 1 times the largest value of each block, after clipping: 2 bits",
    .error =
        "unbiased but for what is clipped, entirely so with clip=0; variance sum |x| (s - |x|) for the scale s, "
        "about |x|^2 on normal values with clip=2.5",
    .source = "Wen et al., arXiv:1705.07878",
    .feedback = Feedback::refused,
    .parameters = kTerngradParameters,
    .set_defaults =
        [](CodecSettings& settings) {
          settings.block = 1024;
          settings.clip = 2.5;
        },
    .bits = [](const CodecSettings& settings, std::size_t count,
               int) { return bits_with_header(settings, count, 2.0, 32.0); },
    .make = make_block_reduction};

std::unique_ptr<const BlockCodec> make_terngrad(const CodecSettings& settings) {
  return make_kernel_codec(
      IntegerCode{.block = block_of(settings), .levels = 1, .stochastic = true, .clip = settings.clip});
}

}  // namespace

std::span<const BlockRow> terngrad_rows() noexcept {
  static constexpr std::array<BlockRow, 1> kRows = {BlockRow{&kTerngrad, make_terngrad}};
  return kRows;
}

}  // namespace tutti::detail
