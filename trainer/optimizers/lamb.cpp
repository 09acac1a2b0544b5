// LAMB, tensor by tensor: kernels/update/lamb.hpp states the arithmetic. The norms are those of a step by the gradient
// of the global batch.
//
// Slots: `mean` and `square`, the moments without correction.
#include <array>

#include <tutti/kernels/update/lamb.hpp>
#include <tutti/trainer/optimizers/optimizer.hpp>

namespace tutti::trainer {

namespace {

class Lamb final : public Optimizer {
 public:
  explicit Lamb(const OptimizerOptions& options)
      : step_{.beta1 = options.beta1, .beta2 = options.beta2, .epsilon = options.epsilon} {}

  std::span<const std::string_view> slots() const noexcept override { return kSlots; }
  bool per_tensor() const noexcept override { return true; }

  void update(const UpdateMemory& memory, const UpdateStep& step) const override {
    LambStep now = step_;
    now.learning_rate = step.learning_rate;
    now.weight_decay = step.weight_decay;
    now.adapts = step.adapts;
    now.number = step.number;
    lamb_update(memory.parameters, memory.gradients, memory.slots[0], memory.slots[1], now);
  }

 private:
  static constexpr std::array<std::string_view, 2> kSlots{"mean", "square"};

  const LambStep step_;  // without what each update states
};

}  // namespace

std::unique_ptr<Optimizer> make_lamb(const OptimizerOptions& options) { return std::make_unique<Lamb>(options); }

}  // namespace tutti::trainer
