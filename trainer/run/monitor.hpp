// Whether a run still gets better: the figure of its evaluations that run.monitor names, the best of them so far, and
// how long ago that was.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

#include <tutti/trainer/config/config.hpp>
#include <tutti/trainer/network/score.hpp>
#include <tutti/trainer/run/reports.hpp>

namespace tutti::trainer {

/// A figure that can be monitored, by its name in metrics.jsonl.
struct Figure {
  std::string_view name;
  bool higher_is_better;
  bool of_classes;  ///< of models that tell classes
  bool of_numbers;  ///< of models that tell numbers
  double (*value)(const Score& score);
};

std::span<const Figure> figures() noexcept;

/// Depends on nothing but its options and what is added, so that ranks with the same scores agree, and a run that is
/// taken up again stands where it stood once the evaluations of its records are added.
class Monitor {
 public:
  /// `of_classes` or of numbers: what the model tells. \throws ConfigError: it is not evaluated by options.monitor
  Monitor(const Config::Run& options, bool of_classes);

  /// Whether anything asks for it.
  bool is_on() const noexcept { return options_.stop_after > 0 || options_.keep_best; }
  const Figure& figure() const noexcept { return figure_; }

  /// The evaluation after `step`; nothing if the figure is missing. `on_schedule`: not the one that follows the last
  /// step wherever that is, which does not count for stops(). Steps that are not later than all before are passed over.
  void add(std::uint64_t step, std::optional<double> value, bool on_schedule);

  /// Of equal ones the first. A figure that is missing or not a number is never the best.
  const std::optional<BestEvaluation>& best() const noexcept { return best_; }

  /// Whether run.stop_after evaluations in a row have been no better, by more than run.min_delta, than the best before.
  bool stops() const noexcept { return options_.stop_after > 0 && without_improvement_ >= options_.stop_after; }

 private:
  bool is_better(double value, double than, double by) const noexcept;

  const Config::Run& options_;
  const Figure& figure_;
  std::uint64_t last_step_ = 0;
  std::optional<BestEvaluation> best_;
  std::optional<double> to_beat_;  // by more than min_delta; small improvements do not move it
  std::int64_t without_improvement_ = 0;
};

}  // namespace tutti::trainer
