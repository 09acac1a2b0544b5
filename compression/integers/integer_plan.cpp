#include <tutti/compression/integers/integer_plan.hpp>

#include <algorithm>
#include <array>
#include <string_view>

#include <tutti/kernels/error.hpp>
#include <tutti/kernels/text.hpp>

namespace tutti::detail {
namespace {

/// A width of codes.
struct Width {
  std::string_view codec;
  DType codes;
  DType wide;
  std::size_t limit;        ///< of a code in magnitude
  std::size_t narrow_room;  ///< for the sum of all codes' limits
  std::size_t wide_room;
  std::size_t enough;  ///< a limit that leaves a code enough bits: 4, and 2 of 3
  std::string_view instead;
};

// Codes of four bits lie above zero, so that their sums do: up to twice the limit.
constexpr std::array<Width, 3> kWidths = {
    Width{"int16", DType::i16, DType::i32, 32767, 32767, 2147483647, 15, "bf16 or f16, whose sums are decoded"},
    Width{"int8", DType::i8, DType::i16, 127, 127, 32767, 15, "int16"},
    Width{"int4", DType::u8, DType::u16, 7, 7, 127, 3, "int8"}};

}  // namespace

IntegerPlan plan_integers(const CodecSettings& settings, std::size_t ranks) {
  const Width& width =
      *std::find_if(kWidths.begin(), kWidths.end(), [&](const Width& w) { return w.codec == settings.codec; });
  const auto block = static_cast<std::size_t>(settings.block);
  const std::size_t narrow = std::min(width.limit, width.narrow_room / ranks);
  const std::size_t wide = std::min(width.limit, width.wide_room / ranks);
  const bool is_open = settings.sums == "auto";
  const bool widens = is_open ? narrow < width.enough : settings.sums == "wide";
  const std::size_t limit = widens ? wide : narrow;
  if (const std::size_t least = is_open ? width.enough : 1; limit < least)
    throw InvalidArgument(text("codec '", to_text(settings), "': ", ranks, " ranks leave integers up to ", limit,
                               " without an overflow of their sum, and ", least, " are needed; ",
                               settings.sums == "narrow" ? "sums=wide" : width.instead, " would do"));
  return {
      .codes = width.codes,
      .sums = widens ? width.wide : width.codes,
      .grid = {
          .block = block, .limit = static_cast<std::int32_t>(limit), .power_of_two = settings.scale == "power_of_two"}};
}

}  // namespace tutti::detail
