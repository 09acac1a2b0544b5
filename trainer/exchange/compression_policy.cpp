#include <tutti/trainer/exchange/compression_policy.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>

#include <tutti/kernels/error.hpp>
#include <tutti/kernels/text.hpp>
#include <tutti/trainer/optimizers/groups.hpp>

namespace tutti::trainer {

namespace {

bool holds(const CompressionRule& rule, const ParameterInfo& parameter, std::int64_t place, std::int64_t parameters) {
  const auto elements = static_cast<std::int64_t>(parameter.count());
  const auto dimensions = static_cast<std::int64_t>(parameter.shape.size());
  return glob_matches(rule.match, parameter.name) && elements >= rule.min_elements &&
         (rule.max_elements == 0 || elements <= rule.max_elements) && dimensions >= rule.min_dimensions &&
         dimensions <= rule.max_dimensions && (rule.first == 0 || place < rule.first) &&
         (rule.last == 0 || place >= parameters - rule.last);
}

}  // namespace

std::vector<CodecSettings> compression_of(std::span<const ParameterInfo> parameters, const ExchangeOptions& options) {
  const CodecSettings usual = codec_settings(options.compression);
  const bool for_all = codec_named(usual.codec).is_elementwise;
  std::vector<CodecSettings> of_rules;
  for (const CompressionRule& rule : options.rules) of_rules.push_back(codec_settings(rule.compression));
  std::vector<bool> holds_for_any(options.rules.size());
  std::vector<CodecSettings> all;
  for (std::size_t i = 0; i < parameters.size(); ++i) {
    const ParameterInfo& parameter = parameters[i];
    const bool is_small =
        !for_all && (parameter.shape.size() < 2 || parameter.count() < static_cast<std::size_t>(options.compress_from));
    CodecSettings settings = is_small ? CodecSettings{} : usual;
    bool found = false;
    for (std::size_t r = 0; r < options.rules.size(); ++r) {
      if (!holds(options.rules[r], parameter, static_cast<std::int64_t>(i),
                 static_cast<std::int64_t>(parameters.size())))
        continue;
      holds_for_any[r] = true;
      if (!found) settings = of_rules[r];
      found = true;
    }
    all.push_back(settings);
  }
  const auto missed = std::find(holds_for_any.begin(), holds_for_any.end(), false);
  if (missed == holds_for_any.end()) return all;
  std::string names;
  for (const ParameterInfo& parameter : parameters) names += text(names.empty() ? "" : ", ", parameter.name);
  const auto rule = static_cast<std::size_t>(missed - holds_for_any.begin());
  throw InvalidArgument(text("exchange.rule ", rule + 1, " (match = \"", options.rules[rule].match,
                             "\") holds for no parameter; there are ", names));
}

std::vector<bool> whole_parameters(std::span<const ParameterInfo> parameters, const ExchangeOptions& options) {
  std::vector<bool> whole;
  for (const CodecSettings& settings : compression_of(parameters, options))
    whole.push_back(codec_named(settings.codec).whole_tensors);
  return whole;
}

}  // namespace tutti::trainer
