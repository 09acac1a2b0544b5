// The learning rate of each step.
#pragma once

#include <cstdint>

#include <tutti/trainer/optimizers/options.hpp>

namespace tutti::trainer {

/// rate(step) = learning_rate x scaling x warm-up x drops, where
///   scaling is batch_size / base_batch, or 1 (linear scaling: Goyal et al., "Accurate, large minibatch SGD", 2017);
///   warm-up rises linearly over the first warmup_steps steps, (step + 1) / warmup_steps, and is 1 from then on;
///   drops is 1 for `constant`, and for `step` gamma ^ floor(epochs done / step_epochs), fractions of epochs counted.
/// A pure function of the step, so that a resumed run needs nothing but its number.
class LearningRate {
 public:
  LearningRate(double learning_rate, const ScheduleOptions& options, std::int64_t batch_size,
               std::uint64_t steps_per_epoch) noexcept;

  /// Of step `step`, counted from 0 over the whole run.
  double rate(std::uint64_t step) const noexcept;

 private:
  double base_;
  std::uint64_t warmup_steps_;
  double drop_steps_;  // steps between drops; 0: none
  double gamma_;
};

}  // namespace tutti::trainer
