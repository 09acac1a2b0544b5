// The learning rate of each step.
#pragma once

#include <cstdint>
#include <vector>

#include <tutti/trainer/optimizers/options.hpp>

namespace tutti::trainer {

/// How long a run is, in steps.
struct RunLength {
  std::uint64_t steps_per_epoch = 1;
  std::uint64_t steps = 0;  ///< of the whole run
};

/// What the curve of a schedule is a function of, beside the step.
struct Curve {
  ScheduleOptions options;
  std::uint64_t warmup_steps = 0;
  double drop_steps = 0.0;
  std::vector<double> milestones;  ///< in steps
  double end = 0.0;                ///< in steps
  double restart_steps = 0.0;      ///< 0: no restarts
};

/// rate(t) = learning_rate x scaling x warm-up x curve, where t counts steps from 0 and
///   scaling is s = batch / base_batch or its square root, or 1 without base_batch (linear: Goyal et al., "Accurate,
///     large minibatch SGD", 2017; square root: Hoffer et al., 2017). `batch` is all samples of a step;
///   warm-up rises linearly over the first W = warmup_steps steps, (t + 1) / W, and is 1 from then on.
///
/// The curve, where epochs are converted to steps and may be fractions of them:
///   constant    1
///   step        gamma ^ floor(t / step_epochs)
///   multi_step  gamma ^ (milestones that are at most t; one that is given twice counts twice)
///   cosine      f + (1 - f) (1 + cos(pi u / T)) / 2, f = final_factor. u = t - W counts from the end of the warm-up,
///               T = end - W. With restart_epochs u starts again after so many epochs, then after restart_factor times
///               as many, and so on, without an end (Loshchilov and Hutter, "SGDR", 2017)
///   polynomial  f + (1 - f) (1 - u / T) ^ power
///   one_cycle   from initial_factor to 1 at step peak_fraction end - 1, from there to f at step end - 1, both by half
///               a cosine (Smith and Topin, 2018, as torch's OneCycleLR with two phases; momentum stays)
/// The end is end_epochs, or that of the run where it is 0. The step after the last would have the final value, and so
/// have all steps past the end. A pure function of the step, so that a resumed run needs nothing but its number.
class LearningRate {
 public:
  /// \throws InvalidArgument: no such schedule, milestones that are no rising numbers, a curve without steps
  LearningRate(double learning_rate, const ScheduleOptions& options, std::int64_t batch, const RunLength& run);

  /// Of step `step`, counted from 0 over the whole run.
  double rate(std::uint64_t step) const noexcept;

 private:
  double base_;
  Curve curve_;
  double (*factor_)(const Curve& curve, std::uint64_t step) noexcept;
};

}  // namespace tutti::trainer
