#include <tutti/trainer/optimizers/learning_rate.hpp>

#include <cmath>
#include <limits>

namespace tutti::trainer {

std::span<const std::string_view> schedule_names() noexcept {
  static constexpr std::string_view kNames[] = {"constant", "step"};
  return kNames;
}

LearningRate::LearningRate(double learning_rate, const ScheduleOptions& options, std::int64_t batch_size,
                           std::uint64_t steps_per_epoch) noexcept
    : base_(learning_rate),
      warmup_steps_(static_cast<std::uint64_t>(options.warmup_steps)),
      drop_steps_(options.kind == "step" ? options.step_epochs * static_cast<double>(steps_per_epoch) : 0.0),
      gamma_(options.gamma) {
  if (options.base_batch > 0) base_ *= static_cast<double>(batch_size) / static_cast<double>(options.base_batch);
}

namespace {

/// floor(step / period), where both stand for decimal numbers: 99 steps are exactly 1 period of 2.2 x 45, though 2.2 x
/// 45 is more than 99 in binary. What is off a whole number by rounding alone is that number.
double whole_periods(std::uint64_t step, double period) noexcept {
  const double periods = static_cast<double>(step) / period;
  const double nearest = std::nearbyint(periods);
  constexpr double kRoundings = 8 * std::numeric_limits<double>::epsilon();
  return std::abs(periods - nearest) <= kRoundings * nearest ? nearest : std::floor(periods);
}

}  // namespace

double LearningRate::rate(std::uint64_t step) const noexcept {
  double rate = base_;
  if (step < warmup_steps_) rate *= static_cast<double>(step + 1) / static_cast<double>(warmup_steps_);
  if (drop_steps_ > 0.0) rate *= std::pow(gamma_, whole_periods(step, drop_steps_));
  return rate;
}

}  // namespace tutti::trainer
