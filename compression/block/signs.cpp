// Codecs of one bit a value: "sign", scaled, and "vote", which counts.
//
// A vote needs no code of its own: the sum of what contributions are decoded as is the count of signs, and the sign of
// that, which its owner sends, is the majority.
#include <array>

#include <tutti/compression/block/block_rows.hpp>
#include <tutti/compression/codec_rows.hpp>
#include <tutti/compression/reduction.hpp>
#include <tutti/kernels/codecs/sign_codes.hpp>

namespace tutti::detail {
namespace {

constexpr std::array<const CodecParameter*, 2> kSignParameters = {&kBlockParameter, &kFeedbackParameter};
constexpr std::array<const CodecParameter*, 1> kVoteParameters = {&kBlockParameter};

double sign_bits(const CodecSettings& settings, std::size_t count, int /*ranks*/) {
  return bits_with_header(settings, count, 1.0, 32.0);
}

constexpr Codec kSign = {.name = "sign",
                         .summary = "the signs of a block, times the mean of its magnitudes; zero counts as positive",
                         .error = "delta = |x|_1^2 / (block |x|_2^2): 2/pi on normal values, at least 1 / block",
                         .source = "Karimireddy et al., arXiv:1901.09847",
                         .feedback = Feedback::needed,
                         .parameters = kSignParameters,
                         .set_defaults = [](CodecSettings& settings) { settings.block = 1024; },
                         .bits = sign_bits,
                         .make = make_block_reduction};
constexpr Codec kVote = {.name = "vote",
                         .summary = "the sign that most ranks have: the result is 1 or -1, of ties and of zeros 1",
                         .error = "no estimate of the sum, only of its direction: the learning rate is the step",
                         .source = "Bernstein et al., arXiv:1810.05291",
                         .feedback = Feedback::refused,
                         .parameters = kVoteParameters,
                         .set_defaults = [](CodecSettings& settings) { settings.block = 1024; },
                         .bits = sign_bits,
                         .make = make_block_reduction};

template <bool kScaled>
std::unique_ptr<const BlockCodec> make_signs(const CodecSettings& settings) {
  return make_kernel_codec(SignCode{.block = block_of(settings), .is_scaled = kScaled});
}

}  // namespace

std::span<const BlockRow> sign_rows() noexcept {
  static constexpr std::array<BlockRow, 2> kRows = {BlockRow{&kSign, make_signs<true>},
                                                    BlockRow{&kVote, make_signs<false>}};
  return kRows;
}

}  // namespace tutti::detail
