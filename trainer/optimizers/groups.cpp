#include <tutti/trainer/optimizers/groups.hpp>

#include <algorithm>
#include <string>

#include <tutti/kernels/error.hpp>
#include <tutti/kernels/text.hpp>

namespace tutti::trainer {

/// After a mismatch, the last `*` takes one character more: all that came before it is settled.
bool glob_matches(std::string_view pattern, std::string_view name) noexcept {
  std::size_t p = 0;
  std::size_t n = 0;
  std::size_t star = std::string_view::npos;
  std::size_t taken = 0;
  while (n < name.size()) {
    if (p < pattern.size() && pattern[p] == '*') {
      star = p++;
      taken = n;
    } else if (p < pattern.size() && (pattern[p] == '?' || pattern[p] == name[n])) {
      ++p;
      ++n;
    } else if (star != std::string_view::npos) {
      p = star + 1;
      n = ++taken;
    } else {
      return false;
    }
  }
  return pattern.find_first_not_of('*', p) == std::string_view::npos;
}

std::vector<ParameterSettings> parameter_settings(std::span<const ParameterInfo> parameters,
                                                  const OptimizerOptions& options) {
  std::vector<bool> matched(options.groups.size());
  std::vector<ParameterSettings> settings;
  for (const ParameterInfo& parameter : parameters) {
    ParameterSettings own{.weight_decay = options.weight_decay};
    bool found = false;
    for (std::size_t g = 0; g < options.groups.size(); ++g) {
      const ParameterGroup& group = options.groups[g];
      if (!glob_matches(group.match, parameter.name)) continue;
      matched[g] = true;
      if (found) continue;
      found = true;
      own = {group.learning_rate_factor, group.weight_decay.value_or(options.weight_decay), group.adapt};
    }
    settings.push_back(own);
  }
  const auto missed = std::find(matched.begin(), matched.end(), false);
  if (missed == matched.end()) return settings;
  std::string names;
  for (const ParameterInfo& parameter : parameters) names += text(names.empty() ? "" : ", ", parameter.name);
  const auto group = static_cast<std::size_t>(missed - matched.begin());
  throw InvalidArgument(text("optimizer.group ", group + 1, ": match = \"", options.groups[group].match,
                             "\" matches no parameter; there are ", names));
}

std::vector<std::vector<Sweep>> plan_sweeps(const BucketPlan& plan, std::span<const ParameterSettings> settings,
                                            bool per_tensor) {
  std::vector<std::vector<Sweep>> sweeps;
  for (const BucketPlan::Bucket& bucket : plan.buckets) {
    std::vector<Sweep> parts;
    for (const std::size_t parameter : bucket.parameters) {
      const auto& place = plan.places[parameter];
      if (per_tensor)
        parts.push_back({place.offset, place.count, settings[parameter]});
      else if (parts.empty() || parts.back().settings != settings[parameter])
        parts.push_back({place.offset, 0, settings[parameter]});
    }
    for (std::size_t i = 0; i < parts.size() && !per_tensor; ++i)
      parts[i].count = (i + 1 < parts.size() ? parts[i + 1].offset : bucket.count) - parts[i].offset;
    sweeps.push_back(std::move(parts));
  }
  return sweeps;
}

}  // namespace tutti::trainer
