// What a configuration says of the optimizer and of the learning rate.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace tutti::trainer {

/// Section `optimizer` of a configuration; what the keys mean: config/keys.cpp.
struct OptimizerOptions {
  std::string kind = "sgd";
  double learning_rate = 0.05;
  double momentum = 0.9;
  bool nesterov = false;
  double weight_decay = 0.0;
};

/// Those of the table in optimizer.cpp.
std::span<const std::string_view> optimizer_names() noexcept;

/// Section `schedule`.
struct ScheduleOptions {
  std::string kind = "constant";
  std::int64_t warmup_steps = 0;
  double step_epochs = 1.0;
  double gamma = 0.1;
  std::int64_t base_batch = 0;
};

/// Those that learning_rate.cpp knows.
std::span<const std::string_view> schedule_names() noexcept;

}  // namespace tutti::trainer
