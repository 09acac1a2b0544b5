#include "tools/compress/codec_list.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstddef>
#include <nlohmann/json.hpp>
#include <type_traits>
#include <variant>
#include <vector>

#include <tutti/compression/codecs.hpp>

namespace tutti::tools {
namespace {

using nlohmann::ordered_json;

// What the bits of a value are told for, where they depend on it.
constexpr std::size_t kCount = std::size_t{1} << 20;
constexpr int kRanks = 4;

std::string_view word(Feedback feedback) {
  switch (feedback) {
    case Feedback::refused:
      return "refused";
    case Feedback::offered:
      return "offered";
    case Feedback::advised:
      return "on by default";
    case Feedback::needed:
      return "needed: on by default";
  }
  return "";
}

double bits_of(const Codec& codec) { return codec.bits(codec_settings(codec.name), kCount, kRanks); }

/// "0 to 1", "on, off", "nearest, stochastic".
std::string values_of(const CodecParameter& parameter) {
  if (std::holds_alternative<bool CodecSettings::*>(parameter.slot)) return "on, off";
  if (std::holds_alternative<std::string CodecSettings::*>(parameter.slot))
    return fmt::format("{}", fmt::join(parameter.choices, ", "));
  return fmt::format("{} to {}", parameter.low, parameter.high);
}

std::string default_of(const Codec& codec, const CodecParameter& parameter) {
  return to_text(codec_settings(codec.name), parameter);
}

/// The parameters of all codecs, each once, in the order of the table.
std::vector<const CodecParameter*> all_parameters() {
  std::vector<const CodecParameter*> all;
  for (const Codec* codec : codecs())
    for (const CodecParameter* parameter : codec->parameters)
      if (std::find(all.begin(), all.end(), parameter) == all.end()) all.push_back(parameter);
  return all;
}

/// Defaults by codec: "off (bf16, f16), on (sign)".
std::string defaults_of(const CodecParameter& parameter) {
  std::vector<std::pair<std::string, std::vector<std::string_view>>> values;
  for (const Codec* codec : codecs()) {
    if (std::find(codec->parameters.begin(), codec->parameters.end(), &parameter) == codec->parameters.end()) continue;
    const std::string value = default_of(*codec, parameter);
    auto at = std::find_if(values.begin(), values.end(), [&](const auto& v) { return v.first == value; });
    if (at == values.end()) at = values.insert(values.end(), {value, {}});
    at->second.push_back(codec->name);
  }
  std::string all;
  for (const auto& [value, names] : values)
    all += fmt::format("{}`{}` ({})", all.empty() ? "" : ", ", value, fmt::join(names, ", "));
  return all;
}

/// `|` ends a cell.
std::string cell(std::string_view content) {
  std::string escaped;
  for (const char c : content) escaped += c == '|' ? "\\|" : std::string(1, c);
  return escaped;
}

}  // namespace

std::string codec_list_text() {
  std::string all =
      fmt::format("codecs: what a gradient travels as; bits of a value of {} on {} ranks\n", kCount, kRanks);
  for (const Codec* codec : codecs()) {
    all += fmt::format("\n{}: {}\n", codec->name, codec->summary);
    all += fmt::format("  bits      {:.4g}{}\n", bits_of(*codec), codec->sums_codes ? ", summed as they are" : "");
    all += fmt::format("  error     {}{}\n", codec->error, codec->is_unbiased ? "; unbiased" : "");
    all += fmt::format("  feedback  {}\n", word(codec->feedback));
    if (codec->whole_tensors) all += "  tensors   whole ones only\n";
    if (!codec->source.empty()) all += fmt::format("  source    {}\n", codec->source);
    for (const CodecParameter* parameter : codec->parameters)
      all += fmt::format("  {:<22}  {} ({})\n", fmt::format("{}={}", parameter->name, default_of(*codec, *parameter)),
                         parameter->meaning, values_of(*parameter));
  }
  return all;
}

std::string codec_list_markdown() {
  std::string all =
      "| codec | what travels | bits a value | relative error | feedback | source |\n"
      "| --- | --- | --- | --- | --- | --- |\n";
  for (const Codec* codec : codecs())
    all += fmt::format("| `{}` | {} | {:.4g} | {}{} | {} | {} |\n", codec->name, cell(codec->summary), bits_of(*codec),
                       cell(codec->error), codec->is_unbiased ? "; unbiased" : "", word(codec->feedback),
                       cell(codec->source.empty() ? "-" : codec->source));
  all += "\n| parameter | default | values | meaning |\n| --- | --- | --- | --- |\n";
  for (const CodecParameter* parameter : all_parameters())
    all += fmt::format("| `{}` | {} | {} | {} |\n", parameter->name, defaults_of(*parameter),
                       cell(values_of(*parameter)), cell(parameter->meaning));
  return all;
}

ordered_json codec_list_json() {
  ordered_json all = ordered_json::array();
  for (const Codec* codec : codecs()) {
    ordered_json parameters = ordered_json::array();
    for (const CodecParameter* parameter : codec->parameters)
      parameters.push_back({{"name", parameter->name},
                            {"default", default_of(*codec, *parameter)},
                            {"values", values_of(*parameter)},
                            {"meaning", parameter->meaning}});
    all.push_back({{"codec", codec->name},
                   {"summary", codec->summary},
                   {"bits", bits_of(*codec)},
                   {"error", codec->error},
                   {"unbiased", codec->is_unbiased},
                   {"sums_codes", codec->sums_codes},
                   {"whole_tensors", codec->whole_tensors},
                   {"feedback", word(codec->feedback)},
                   {"source", codec->source},
                   {"parameters", std::move(parameters)}});
  }
  return all;
}

}  // namespace tutti::tools
