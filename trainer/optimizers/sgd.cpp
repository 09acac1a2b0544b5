// Stochastic gradient descent with momentum, element by element: kernels/sgd.hpp states the arithmetic.
//
// Slots: `momentum`, the velocity, present also where momentum is 0, so that a run can be resumed with another
// momentum.
#include <array>

#include <tutti/kernels/sgd.hpp>
#include <tutti/trainer/optimizers/optimizer.hpp>

namespace tutti::trainer {

namespace {

class Sgd final : public Optimizer {
 public:
  explicit Sgd(const OptimizerOptions& options)
      : step_{.learning_rate = 0.0, .momentum = options.momentum, .weight_decay = 0.0, .nesterov = options.nesterov} {}

  std::span<const std::string_view> slots() const noexcept override { return kSlots; }

  void update(const UpdateMemory& memory, const UpdateStep& step) const override {
    SgdStep now = step_;
    now.learning_rate = step.learning_rate;
    now.weight_decay = step.weight_decay;
    sgd_update(memory.parameters, memory.gradients, memory.slots[0], now);
  }

 private:
  static constexpr std::array<std::string_view, 1> kSlots{"momentum"};

  const SgdStep step_;  // without rate and decay, which each update states
};

}  // namespace

std::unique_ptr<Optimizer> make_sgd(const OptimizerOptions& options) { return std::make_unique<Sgd>(options); }

}  // namespace tutti::trainer
