// RMSprop, element by element: kernels/update/rmsprop.hpp states the arithmetic.
//
// Slots: `square`; `momentum`, the velocity, with momentum only; `mean` in the centered form only.
#include <string_view>
#include <vector>

#include <tutti/kernels/update/rmsprop.hpp>
#include <tutti/trainer/optimizers/optimizer.hpp>

namespace tutti::trainer {

namespace {

class Rmsprop final : public Optimizer {
 public:
  explicit Rmsprop(const OptimizerOptions& options)
      : centered_(options.centered),
        step_{.alpha = options.alpha, .momentum = options.momentum, .epsilon = options.epsilon} {
    if (has_momentum()) slots_.emplace_back("momentum");
    if (centered_) slots_.emplace_back("mean");
  }

  std::span<const std::string_view> slots() const noexcept override { return slots_; }

  void update(const UpdateMemory& memory, const UpdateStep& step) const override {
    RmspropStep now = step_;
    now.learning_rate = step.learning_rate;
    now.weight_decay = step.weight_decay;
    rmsprop_update(memory.parameters, memory.gradients, memory.slots[0], centered_ ? memory.slots.back() : Buffer(),
                   has_momentum() ? memory.slots[1] : Buffer(), now);
  }

 private:
  bool has_momentum() const noexcept { return step_.momentum != 0.0; }

  const bool centered_;
  const RmspropStep step_;  // without what each update states
  std::vector<std::string_view> slots_{"square"};
};

}  // namespace

std::unique_ptr<Optimizer> make_rmsprop(const OptimizerOptions& options) { return std::make_unique<Rmsprop>(options); }

}  // namespace tutti::trainer
