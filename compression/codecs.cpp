// The table of codecs, and their settings as text.
#include <algorithm>
#include <array>
#include <bit>
#include <charconv>
#include <cstdint>
#include <string>
#include <system_error>
#include <vector>

#include <tutti/compression/codec_rows.hpp>
#include <tutti/compression/codecs.hpp>
#include <tutti/compression/reduction.hpp>
#include <tutti/kernels/codecs/encoding.hpp>
#include <tutti/kernels/error.hpp>
#include <tutti/kernels/names.hpp>
#include <tutti/kernels/text.hpp>

namespace tutti {

namespace {

constexpr Codec kNone = {.name = "none",
                         .summary = "values as they are",
                         .error = "none",
                         .source = "",
                         .is_unbiased = true,
                         .feedback = Feedback::refused,
                         .sums_codes = true,
                         .bits = [](const CodecSettings&, std::size_t, int) { return 32.0; },
                         .make = detail::make_plain_reduction};

constexpr std::array<std::string_view, 2> kRoundings = {"nearest", "stochastic"};

std::vector<const Codec*> all_rows() {
  std::vector<const Codec*> rows{&kNone};
  for (const auto& family : {detail::integer_codecs(), detail::block_codecs(), detail::low_rank_codecs(),
                             detail::random_codecs(), detail::sparse_codecs()})
    rows.insert(rows.end(), family.begin(), family.end());
  return rows;
}

[[noreturn]] void refuse(std::string_view whole, const std::string& problem) {
  throw InvalidArgument(text("codec '", whole, "': ", problem));
}

template <class Number>
Number number_from(std::string_view whole, const CodecParameter& parameter, std::string_view value) {
  Number number{};
  const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), number);
  const auto as_double = static_cast<double>(number);
  const bool has_sign = !value.empty() && value.front() == '-';  // also of zero
  if (error != std::errc() || (has_sign && parameter.low >= 0.0) || end != value.data() + value.size() ||
      !(as_double >= parameter.low) || !(as_double <= parameter.high) ||
      (parameter.is_power_of_two && !std::has_single_bit(static_cast<std::uint64_t>(as_double))))
    refuse(whole, text(parameter.name, " = '", value, "' is no ", parameter.is_power_of_two ? "power of two" : "number",
                       " from ", parameter.low, " to ", parameter.high));
  return number;
}

struct Setter {
  std::string_view whole;
  const CodecParameter& parameter;
  std::string_view value;
  CodecSettings& settings;

  void operator()(bool CodecSettings::*slot) const {
    if (value != "on" && value != "off") refuse(whole, text(parameter.name, " = '", value, "' is neither on nor off"));
    settings.*slot = value == "on";
  }
  void operator()(std::string CodecSettings::*slot) const {
    if (std::find(parameter.choices.begin(), parameter.choices.end(), value) == parameter.choices.end()) {
      const std::vector<std::string> known(parameter.choices.begin(), parameter.choices.end());
      refuse(whole, unknown_name(parameter.name, value, known));
    }
    settings.*slot = value;
  }
  template <class Number>
  void operator()(Number CodecSettings::*slot) const {
    settings.*slot = number_from<Number>(whole, parameter, value);
  }
};

/// With as many digits as give the number back.
std::string shortest(double number) {
  std::array<char, 32> digits;
  const auto [end, error] = std::to_chars(digits.data(), digits.data() + digits.size(), number);
  return {digits.data(), end};
}

CodecSettings defaults_of(const Codec& codec) {
  CodecSettings settings;
  settings.codec = codec.name;
  settings.feedback = codec.feedback == Feedback::advised || codec.feedback == Feedback::needed;
  if (codec.set_defaults != nullptr) codec.set_defaults(settings);
  return settings;
}

}  // namespace

namespace detail {

constinit const CodecParameter kBlockParameter = {.name = "block",
                                                  .meaning = "values that have a scale in common: a power of two",
                                                  .slot = &CodecSettings::block,
                                                  .low = kSmallestBlock,
                                                  .high = kLargestBlock,
                                                  .is_power_of_two = true};
constinit const CodecParameter kFeedbackParameter = {
    .name = "feedback",
    .meaning = "what is not sent is kept and added to the next contribution",
    .slot = &CodecSettings::feedback};
constinit const CodecParameter kRoundingParameter = {.name = "rounding",
                                                     .meaning = "nearest, or stochastic: unbiased",
                                                     .slot = &CodecSettings::rounding,
                                                     .choices = kRoundings};
constinit const CodecParameter kSeedParameter = {
    .name = "seed", .meaning = "of draws", .slot = &CodecSettings::seed, .low = 0, .high = 9007199254740992.0};

}  // namespace detail

std::span<const Codec* const> codecs() noexcept {
  static const std::vector<const Codec*> kRows = all_rows();
  return kRows;
}

const Codec& codec_named(std::string_view name) {
  return *find_named(codecs(), "codec", name, [](const Codec* row) { return row->name; });
}

CodecSettings codec_settings(std::string_view whole) {
  const std::size_t colon = whole.find(':');
  const Codec& codec = codec_named(whole.substr(0, colon));
  CodecSettings settings = defaults_of(codec);
  if (colon == std::string_view::npos) return settings;
  std::vector<const CodecParameter*> given;
  for (std::string_view rest = whole.substr(colon + 1);;) {
    const std::size_t comma = rest.find(',');
    const std::string_view item = rest.substr(0, comma);
    const std::size_t equals = item.find('=');
    if (equals == std::string_view::npos) refuse(whole, text("'", item, "' is not of the form PARAMETER=VALUE"));
    const auto known = names_of(codec.parameters, &CodecParameter::name);
    const std::string_view name = item.substr(0, equals);
    const auto found = std::find_if(codec.parameters.begin(), codec.parameters.end(),
                                    [&](const CodecParameter* row) { return row->name == name; });
    if (found == codec.parameters.end()) {
      if (known.empty()) refuse(whole, "it has no parameters");
      refuse(whole, unknown_name("parameter", name, known));
    }
    if (std::find(given.begin(), given.end(), *found) != given.end()) refuse(whole, text(name, " is given twice"));
    given.push_back(*found);
    std::visit(Setter{whole, **found, item.substr(equals + 1), settings}, (*found)->slot);
    if (comma == std::string_view::npos) break;
    rest = rest.substr(comma + 1);
  }
  if (settings.feedback && codec.feedback == Feedback::refused) refuse(whole, "it cannot have feedback");
  return settings;
}

void require_valid(const CodecSettings& settings) {
  const std::string whole = to_text(settings);
  codec_settings(whole);
  if (settings.feedback && codec_named(settings.codec).feedback == Feedback::refused)
    refuse(whole, "it cannot have feedback");
}

std::string to_text(const CodecSettings& settings, const CodecParameter& parameter) {
  return std::visit(
      [&](auto slot) {
        const auto& value = settings.*slot;
        if constexpr (std::is_same_v<decltype(value), const bool&>)
          return std::string(value ? "on" : "off");
        else if constexpr (std::is_same_v<decltype(value), const double&>)
          return shortest(value);
        else
          return text(value);
      },
      parameter.slot);
}

std::string to_text(const CodecSettings& settings) {
  const Codec& codec = codec_named(settings.codec);
  const CodecSettings defaults = defaults_of(codec);
  std::string out(codec.name);
  char separator = ':';
  for (const CodecParameter* parameter : codec.parameters) {
    const std::string value = to_text(settings, *parameter);
    if (value == to_text(defaults, *parameter)) continue;
    out += text(separator, parameter->name, "=", value);
    separator = ',';
  }
  return out;
}

}  // namespace tutti
