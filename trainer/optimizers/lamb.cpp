// LAMB: kernels/update/lamb.hpp states the arithmetic. The norms are those of a step by the gradient
// of the global batch.
//
// Slots: `mean` and `square`, the moments without correction.
#include <array>
#include <cmath>

#include <tutti/kernels/update/lamb.hpp>
#include <tutti/trainer/optimizers/optimizer.hpp>

namespace tutti::trainer {

namespace {

class Lamb final : public Optimizer {
 public:
  explicit Lamb(const OptimizerOptions& options)
      : step_{.beta1 = options.beta1, .beta2 = options.beta2, .epsilon = options.epsilon} {}

  std::span<const std::string_view> slots() const noexcept override { return kSlots; }
  bool needs_norms() const noexcept override { return true; }

  void prepare(const UpdateMemory& memory, const UpdateStep& step, const NormBlocks& norms) const override {
    lamb_moments(memory.parameters, memory.gradients, memory.slots[0], memory.slots[1], at(step),
                 norms.parameter_squares, norms.direction_squares);
  }

  void update(const UpdateMemory& memory, const UpdateStep& step) const override {
    LambStep now = at(step);
    if (step.adapts && step.parameter_square > 0.0 && step.direction_square > 0.0)
      now.trust_ratio = std::sqrt(step.parameter_square) / std::sqrt(step.direction_square);
    lamb_update(memory.parameters, memory.slots[0], memory.slots[1], now);
  }

 private:
  static constexpr std::array<std::string_view, 2> kSlots{"mean", "square"};

  LambStep at(const UpdateStep& step) const {
    LambStep now = step_;
    now.learning_rate = step.learning_rate;
    now.weight_decay = step.weight_decay;
    now.number = step.number;
    return now;
  }

  const LambStep step_;  // without what each update states
};

}  // namespace

std::unique_ptr<Optimizer> make_lamb(const OptimizerOptions& options) { return std::make_unique<Lamb>(options); }

}  // namespace tutti::trainer
