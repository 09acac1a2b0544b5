// LARS: kernels/update/lars.hpp states the arithmetic. The norms are those of the gradient of the
// global batch.
//
// Slot: `momentum`, the velocity, which has the learning rates of its time inside.
#include <array>
#include <cmath>

#include <tutti/kernels/gradients.hpp>
#include <tutti/kernels/update/lars.hpp>
#include <tutti/trainer/optimizers/optimizer.hpp>

namespace tutti::trainer {

namespace {

class Lars final : public Optimizer {
 public:
  explicit Lars(const OptimizerOptions& options)
      : step_{.momentum = options.momentum}, trust_coefficient_(options.trust_coefficient) {}

  std::span<const std::string_view> slots() const noexcept override { return kSlots; }
  bool needs_norms() const noexcept override { return true; }

  void prepare(const UpdateMemory& memory, const UpdateStep&, const NormBlocks& norms) const override {
    block_sums_of_squares(memory.parameters, norms.parameter_squares);
    block_sums_of_squares(memory.gradients, norms.direction_squares);
  }

  void update(const UpdateMemory& memory, const UpdateStep& step) const override {
    LarsStep now = step_;
    now.learning_rate = step.learning_rate;
    now.weight_decay = step.weight_decay;
    if (step.adapts)
      now.trust_ratio = lars_trust_ratio(std::sqrt(step.parameter_square), std::sqrt(step.direction_square),
                                         trust_coefficient_, step.weight_decay);
    lars_update(memory.parameters, memory.gradients, memory.slots[0], now);
  }

 private:
  static constexpr std::array<std::string_view, 1> kSlots{"momentum"};

  const LarsStep step_;  // without what each update states
  const double trust_coefficient_;
};

}  // namespace

std::unique_ptr<Optimizer> make_lars(const OptimizerOptions& options) { return std::make_unique<Lars>(options); }

}  // namespace tutti::trainer
