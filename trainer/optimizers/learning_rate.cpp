// The table of schedules, and their curves.
#include <tutti/trainer/optimizers/learning_rate.hpp>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <limits>
#include <numbers>

#include <tutti/kernels/error.hpp>
#include <tutti/kernels/text.hpp>
#include <tutti/trainer/tables/named_rows.hpp>

namespace tutti::trainer {

namespace {

constexpr double kRoundings = 8 * std::numeric_limits<double>::epsilon();

/// What is off a whole number by rounding alone is that number.
double whole_if_near(double value) noexcept {
  const double nearest = std::nearbyint(value);
  return std::abs(value - nearest) <= kRoundings * nearest ? nearest : value;
}

/// floor(step / period), where both stand for decimal numbers: 99 steps are exactly 1 period of 2.2 x 45, though 2.2 x
/// 45 is more than 99 in binary.
double whole_periods(std::uint64_t step, double period) noexcept {
  return std::floor(whole_if_near(static_cast<double>(step) / period));
}

/// From `from` at part 0 to `to` at part 1, exact and level at both.
double half_cosine(double from, double to, double part) noexcept {
  const double cosine = std::cos(std::numbers::pi * part);
  return part < 0.5 ? from + (to - from) * (1.0 - cosine) / 2.0 : to + (from - to) * (1.0 + cosine) / 2.0;
}

/// How much of the way from the end of the warm-up to the end is done, 0 to 1.
double part_done(const Curve& s, std::uint64_t step) noexcept {
  if (step <= s.warmup_steps) return 0.0;
  return std::min(1.0, static_cast<double>(step - s.warmup_steps) / (s.end - static_cast<double>(s.warmup_steps)));
}

double constant_curve(const Curve& /*s*/, std::uint64_t /*step*/) noexcept { return 1.0; }

double step_curve(const Curve& s, std::uint64_t step) noexcept {
  return s.drop_steps > 0.0 ? std::pow(s.options.gamma, whole_periods(step, s.drop_steps)) : 1.0;
}

double multi_step_curve(const Curve& s, std::uint64_t step) noexcept {
  const auto reached = std::upper_bound(s.milestones.begin(), s.milestones.end(), static_cast<double>(step));
  return std::pow(s.options.gamma, static_cast<double>(reached - s.milestones.begin()));
}

double cosine_curve(const Curve& s, std::uint64_t step) noexcept {
  const double final_factor = s.options.final_factor;
  if (s.restart_steps == 0.0) return half_cosine(1.0, final_factor, part_done(s, step));
  double since = step > s.warmup_steps ? static_cast<double>(step - s.warmup_steps) : 0.0;
  double period = s.restart_steps;
  if (s.options.restart_factor == 1.0) {
    since -= std::floor(whole_if_near(since / period)) * period;
    return half_cosine(1.0, final_factor, std::max(0.0, since) / period);
  }
  while (since >= period) {
    since -= period;
    period *= s.options.restart_factor;
  }
  return half_cosine(1.0, final_factor, since / period);
}

double polynomial_curve(const Curve& s, std::uint64_t step) noexcept {
  const double final_factor = s.options.final_factor;
  return final_factor + (1.0 - final_factor) * std::pow(1.0 - part_done(s, step), s.options.power);
}

double one_cycle_curve(const Curve& s, std::uint64_t step) noexcept {
  const double last = s.end - 1.0;
  const double peak = s.options.peak_fraction * s.end - 1.0;
  const double at = std::min(static_cast<double>(step), last);
  if (at <= peak) return half_cosine(s.options.initial_factor, 1.0, peak > 0.0 ? at / peak : 1.0);
  return half_cosine(1.0, s.options.final_factor, (at - peak) / (last - peak));
}

constexpr std::string_view kStepKeys[] = {"warmup_steps", "step_epochs", "gamma"};  // constant ignores two of them
constexpr std::string_view kMultiStepKeys[] = {"warmup_steps", "milestone_epochs", "gamma"};
constexpr std::string_view kCosineKeys[] = {"warmup_steps", "end_epochs", "final_factor", "restart_epochs",
                                            "restart_factor"};
constexpr std::string_view kPolynomialKeys[] = {"warmup_steps", "end_epochs", "final_factor", "power"};
constexpr std::string_view kOneCycleKeys[] = {"end_epochs", "final_factor", "initial_factor", "peak_fraction"};

struct ScheduleRow {
  std::string_view name;
  double (*factor)(const Curve& curve, std::uint64_t step) noexcept;
  std::span<const std::string_view> keys;
};

constexpr ScheduleRow kSchedules[] = {
    {"constant", constant_curve, kStepKeys},           {"step", step_curve, kStepKeys},
    {"multi_step", multi_step_curve, kMultiStepKeys},  {"cosine", cosine_curve, kCosineKeys},
    {"polynomial", polynomial_curve, kPolynomialKeys}, {"one_cycle", one_cycle_curve, kOneCycleKeys},
};

const ScheduleRow& schedule_row(std::string_view kind) { return row_named(kSchedules, "schedule", kind); }

bool has_end(const ScheduleOptions& options) {
  return schedule_reads(options.kind, "end_epochs") && options.restart_epochs == 0.0;
}

double scaling(const ScheduleOptions& options, std::int64_t batch) {
  if (options.base_batch == 0) return 1.0;
  const double ratio = static_cast<double>(batch) / static_cast<double>(options.base_batch);
  return options.batch_scaling == "sqrt" ? std::sqrt(ratio) : ratio;
}

}  // namespace

std::span<const std::string_view> schedule_names() noexcept {
  static constexpr auto kNames = names_of(kSchedules);
  return kNames;
}

bool schedule_reads(std::string_view kind, std::string_view key) {
  const auto keys = schedule_row(kind).keys;
  return std::find(keys.begin(), keys.end(), key) != keys.end();
}

bool ends_with_run(const ScheduleOptions& options) { return has_end(options) && options.end_epochs == 0.0; }

std::vector<double> milestones_of(const std::string& list) {
  const auto refuse = [&] {
    throw InvalidArgument(text("schedule.milestone_epochs = \"", list,
                               "\" is not a list of numbers above 0 in rising order, such as \"30, 60, 80\""));
  };
  std::vector<double> milestones;
  const char* at = list.data();
  const char* const end = at + list.size();
  while (true) {
    while (at != end && *at == ' ') ++at;
    double value = 0.0;
    const auto [rest, error] = std::from_chars(at, end, value);
    if (error != std::errc() || !(value > 0.0 && value < 1e9)) refuse();
    if (!milestones.empty() && value < milestones.back()) refuse();
    milestones.push_back(value);
    at = rest;
    while (at != end && *at == ' ') ++at;
    if (at == end) return milestones;
    if (*at++ != ',') refuse();
  }
}

LearningRate::LearningRate(double learning_rate, const ScheduleOptions& options, std::int64_t batch,
                           const RunLength& run)
    : base_(learning_rate * scaling(options, batch)), factor_(schedule_row(options.kind).factor) {
  const auto steps_of = [&](double epochs) { return whole_if_near(epochs * static_cast<double>(run.steps_per_epoch)); };
  curve_.options = options;
  if (schedule_reads(options.kind, "warmup_steps"))
    curve_.warmup_steps = static_cast<std::uint64_t>(options.warmup_steps);
  curve_.drop_steps = options.step_epochs * static_cast<double>(run.steps_per_epoch);
  curve_.restart_steps = steps_of(options.restart_epochs);
  if (options.restart_epochs > 0.0 && curve_.restart_steps < 1.0)
    throw InvalidArgument(text("schedule.restart_epochs = ", options.restart_epochs, " is less than a step"));
  if (options.kind == "multi_step")
    for (const double epochs : milestones_of(options.milestone_epochs)) curve_.milestones.push_back(steps_of(epochs));
  if (!has_end(options)) return;
  curve_.end = options.end_epochs > 0.0 ? steps_of(options.end_epochs) : static_cast<double>(run.steps);
  if (curve_.end <= static_cast<double>(curve_.warmup_steps))
    throw InvalidArgument(text("schedule.kind = \"", options.kind, "\" ends after ", curve_.end,
                               " steps, and nothing is left of them after a warm-up of ", curve_.warmup_steps));
}

double LearningRate::rate(std::uint64_t step) const noexcept {
  double rate = base_;
  if (step < curve_.warmup_steps) rate *= static_cast<double>(step + 1) / static_cast<double>(curve_.warmup_steps);
  return rate * factor_(curve_, step);
}

}  // namespace tutti::trainer
