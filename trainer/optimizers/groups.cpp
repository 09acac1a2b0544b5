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

std::vector<BucketPlan::Piece> pieces_within(const BucketPlan& plan, std::size_t bucket, std::size_t begin,
                                             std::size_t end) {
  std::vector<BucketPlan::Piece> pieces;
  const BucketPlan::Bucket& cut = plan.buckets[bucket];
  for (const BucketPlan::Piece& piece : cut.pieces) {
    const std::size_t its = plan.offset_of(piece) - cut.offset;
    const std::size_t low = std::max(begin, its);
    const std::size_t high = std::min(end, its + piece.count);
    if (low < high)
      pieces.push_back({.parameter = piece.parameter, .first = piece.first + (low - its), .count = high - low});
  }
  return pieces;
}

std::vector<Sweep> plan_sweeps(const BucketPlan& plan, std::size_t bucket, std::size_t begin, std::size_t end,
                               std::span<const ParameterSettings> settings) {
  std::vector<Sweep> sweeps;
  for (const BucketPlan::Piece& piece : pieces_within(plan, bucket, begin, end))
    if (sweeps.empty() || sweeps.back().settings != settings[piece.parameter])
      sweeps.push_back({plan.offset_of(piece) - plan.buckets[bucket].offset, 0, settings[piece.parameter]});
  for (std::size_t i = 0; i < sweeps.size(); ++i)
    sweeps[i].count = (i + 1 < sweeps.size() ? sweeps[i + 1].offset : end) - sweeps[i].offset;
  return sweeps;
}

}  // namespace tutti::trainer
