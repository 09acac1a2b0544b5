#include <tutti/trainer/exchange/compression_guard.hpp>

#include <fmt/core.h>

#include <cmath>

namespace tutti::trainer {

namespace {

constexpr int kFailures = 2;             // in a row: a single step may be an odd one
constexpr double kMostSaturated = 1e-3;  // of all values

double ratio(double a, double b) { return b > 0.0 ? a / b : 0.0; }

}  // namespace

CompressionGuard::CompressionGuard(const ExchangeOptions& options, std::span<const ParameterInfo> parameters)
    : every_(static_cast<std::uint64_t>(options.guard_every)),
      largest_residual_(options.guard_residual),
      fallback_(codec_settings(options.fallback)),
      parameters_(parameters),
      failures_(parameters.size()) {}

const CodecSettings& CompressionGuard::milder_than(const CodecSettings& codec) const noexcept {
  return codec == fallback_ ? none_ : fallback_;
}

std::string CompressionGuard::problem_of(const CompressionCheck& check) const {
  if (check.contraction && *check.contraction <= 0.0)
    return fmt::format("what is held back is {:.3g} of what was to be sent: the codec sends nothing of use",
                       std::sqrt(1.0 - *check.contraction));
  if (check.residual && *check.residual > largest_residual_)
    return fmt::format("what is held back has {:.3g} times the norm of the gradient, more than {:g}", *check.residual,
                       largest_residual_);
  if (check.cosine && *check.cosine <= 0.0)
    return fmt::format("what arrives points away from the gradient (cosine {:.3g})", *check.cosine);
  if (check.saturated > kMostSaturated)
    return fmt::format("{:.3g} of the values are out of the codec's range", check.saturated);
  return {};
}

std::vector<CompressionCheck> CompressionGuard::judge(std::span<const CompressionMeasure> measures,
                                                      std::vector<CodecSettings>& codecs) {
  std::vector<CompressionCheck> checks;
  for (std::size_t p = 0; p < parameters_.size(); ++p) {
    if (codecs[p].codec == "none") {
      failures_[p] = 0;
      continue;
    }
    const CompressionMeasure& its = measures[p];
    CompressionCheck check{.parameter = p, .codec = to_text(codecs[p])};
    if (codecs[p].feedback && its.values > 0.0) {
      check.contraction = 1.0 - its.held_back / its.values;
      check.residual = std::sqrt(ratio(its.held_back, its.gradient));
    }
    if (its.sum > 0.0 && its.came > 0.0) {
      check.cosine = its.product / std::sqrt(its.sum) / std::sqrt(its.came);
      check.error = std::sqrt(its.difference / its.sum);
    }
    check.saturated = its.saturated;
    check.problem = problem_of(check);
    failures_[p] = check.problem.empty() ? 0 : failures_[p] + 1;
    if (failures_[p] == kFailures) {
      failures_[p] = 0;
      codecs[p] = milder_than(codecs[p]);
      check.remedy = to_text(codecs[p]);
    }
    checks.push_back(std::move(check));
  }
  return checks;
}

}  // namespace tutti::trainer
