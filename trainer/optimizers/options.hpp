// What a configuration says of the optimizer and of the learning rate.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace tutti::trainer {

/// A table `optimizer.group` of a configuration: what holds for the parameters whose name it matches.
struct ParameterGroup {
  std::string match = {};
  double learning_rate_factor = 1.0;
  std::optional<double> weight_decay = {};  ///< nothing: that of the section
  bool adapt = true;
};

/// Section `optimizer` of a configuration; what the keys mean: config/keys.cpp.
struct OptimizerOptions {
  std::string kind = "sgd";
  double learning_rate = 0.05;
  double momentum = 0.9;
  bool nesterov = false;
  double weight_decay = 0.0;
  double beta1 = 0.9;
  double beta2 = 0.999;
  double epsilon = 1e-8;
  bool amsgrad = false;
  double alpha = 0.99;
  bool centered = false;
  double rate_decay = 0.0;
  double initial_accumulator = 0.0;
  double trust_coefficient = 0.001;
  double clip_norm = 0.0;
  double clip_value = 0.0;
  double ema_decay = 0.0;
  std::vector<ParameterGroup> groups = {};
};

/// Those of the table in optimizer.cpp.
std::span<const std::string_view> optimizer_names() noexcept;

/// Whether the optimizer `kind` knows a key of its own, such as "beta1". Keys that it does not know have no meaning.
bool optimizer_reads(std::string_view kind, std::string_view key);

/// What keys are that a configuration does not give. \throws InvalidArgument: no such optimizer
OptimizerOptions optimizer_defaults(std::string_view kind);

/// Section `schedule`.
struct ScheduleOptions {
  std::string kind = "constant";
  std::int64_t warmup_steps = 0;
  double step_epochs = 1.0;
  double gamma = 0.1;
  std::int64_t base_batch = 0;
  std::string batch_scaling = "linear";
  std::string milestone_epochs = {};
  double end_epochs = 0.0;
  double final_factor = 0.0;
  double power = 1.0;
  double restart_epochs = 0.0;
  double restart_factor = 1.0;
  double initial_factor = 0.04;
  double peak_fraction = 0.3;
};

/// Those of the table in learning_rate.cpp.
std::span<const std::string_view> schedule_names() noexcept;

/// Whether the schedule `kind` knows a key of its own, such as "gamma".
bool schedule_reads(std::string_view kind, std::string_view key);

/// Whether the rate depends on how long the run is.
bool ends_with_run(const ScheduleOptions& options);

/// The numbers of schedule.milestone_epochs, "30, 60, 80". \throws InvalidArgument: not numbers above 0 in rising order
std::vector<double> milestones_of(const std::string& list);

}  // namespace tutti::trainer
