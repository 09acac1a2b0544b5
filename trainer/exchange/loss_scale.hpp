// Loss scaling, for gradients that travel as f16: backward is multiplied by a power of two, so that small gradients do
// not become 0 on their way, and the sums are divided by it.
#pragma once

#include <cstdint>
#include <string_view>

namespace tutti::trainer {

/// How far a scale has come: with the step, all that the next one depends on. The same on all ranks.
struct LossScaleState {
  double scale = 0.0;            ///< of a dynamic one; 0: there was none
  std::uint64_t good_steps = 0;  ///< since the scale changed
  std::uint64_t skipped = 0;     ///< steps without an update, of the whole run
};

/// The scale of the next step. A dynamic one begins high, is halved when a gradient is not finite, in a step that is
/// then skipped, and doubled after kGoodSteps steps that were not (Micikevicius et al., arXiv:1710.03740).
class LossScale {
 public:
  static constexpr double kFirst = 65536.0;
  static constexpr std::uint64_t kGoodSteps = 2000;

  /// "none", "dynamic", or a power of two from 1 to 2^64. \throws InvalidArgument
  explicit LossScale(std::string_view setting);

  bool is_on() const noexcept { return is_on_; }
  bool is_dynamic() const noexcept { return is_dynamic_; }
  double scale() const noexcept { return is_dynamic_ ? state_.scale : fixed_; }
  const LossScaleState& state() const noexcept { return state_; }

  /// Goes on where a run stood. A scale that is not dynamic stays what it is, and one that was not begins anew.
  void restore(const LossScaleState& state) noexcept;

  /// After an update.
  void step_was_made() noexcept;

  /// After a gradient that is not finite: whether the step is to be skipped, with half the scale from now on. A scale
  /// of 1 is not halved, and one that is not dynamic never.
  bool skip() noexcept;

 private:
  bool is_on_ = false;
  bool is_dynamic_ = false;
  double fixed_ = 1.0;
  LossScaleState state_;
};

}  // namespace tutti::trainer
