#include <tutti/trainer/run/monitor.hpp>

#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <string>

namespace tutti::trainer {

namespace {

constexpr std::array kFigures{
    Figure{"test_loss", false, true, true, [](const Score& score) { return score.mean_loss(); }},
    Figure{"test_accuracy", true, true, false, [](const Score& score) { return score.accuracy(); }},
    Figure{"test_top5_accuracy", true, true, false, [](const Score& score) { return score.top5_accuracy(); }},
    Figure{"test_rmse", false, false, true, [](const Score& score) { return score.rmse(); }},
    Figure{"test_r2", true, false, true, [](const Score& score) { return score.r2(); }},
};

/// \throws ConfigError
const Figure& figure_of(std::string_view name, bool of_classes) {
  std::string known;
  for (const Figure& figure : kFigures) {
    if (!(of_classes ? figure.of_classes : figure.of_numbers)) continue;
    if (figure.name == name) return figure;
    known += fmt::format("{}{}", known.empty() ? "" : ", ", figure.name);
  }
  throw ConfigError(fmt::format("run.monitor = \"{}\": evaluations of this model have {}", name, known));
}

}  // namespace

std::span<const Figure> figures() noexcept { return kFigures; }

Monitor::Monitor(const Config::Run& options, bool of_classes)
    : options_(options),
      figure_(options.stop_after > 0 || options.keep_best ? figure_of(options.monitor, of_classes) : kFigures.front()) {
}

bool Monitor::is_better(double value, double than, double by) const noexcept {
  return figure_.higher_is_better ? value > than + by : value < than - by;
}

void Monitor::add(std::uint64_t step, std::optional<double> value, bool on_schedule) {
  if (step <= last_step_) return;
  last_step_ = step;
  const bool is_number = value && !std::isnan(*value);
  if (is_number && (!best_ || is_better(*value, best_->value, 0.0))) best_ = {.step = step, .value = *value};
  if (!on_schedule) return;
  if (is_number && (!to_beat_ || is_better(*value, *to_beat_, options_.min_delta))) {
    to_beat_ = value;
    without_improvement_ = 0;
  } else {
    ++without_improvement_;
  }
}

}  // namespace tutti::trainer
