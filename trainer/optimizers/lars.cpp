// LARS, tensor by tensor: kernels/update/lars.hpp states the arithmetic. The norms are those of the gradient of the
// global batch.
//
// Slot: `momentum`, the velocity, which has the learning rates of its time inside.
#include <array>

#include <tutti/kernels/update/lars.hpp>
#include <tutti/trainer/optimizers/optimizer.hpp>

namespace tutti::trainer {

namespace {

class Lars final : public Optimizer {
 public:
  explicit Lars(const OptimizerOptions& options)
      : step_{.momentum = options.momentum, .trust_coefficient = options.trust_coefficient} {}

  std::span<const std::string_view> slots() const noexcept override { return kSlots; }
  bool per_tensor() const noexcept override { return true; }

  void update(const UpdateMemory& memory, const UpdateStep& step) const override {
    LarsStep now = step_;
    now.learning_rate = step.learning_rate;
    now.weight_decay = step.weight_decay;
    now.adapts = step.adapts;
    lars_update(memory.parameters, memory.gradients, memory.slots[0], now);
  }

 private:
  static constexpr std::array<std::string_view, 1> kSlots{"momentum"};

  const LarsStep step_;  // without what each update states
};

}  // namespace

std::unique_ptr<Optimizer> make_lars(const OptimizerOptions& options) { return std::make_unique<Lars>(options); }

}  // namespace tutti::trainer
