// Adam and AdamW, which differ in how weights decay, element by element: kernels/update/adam.hpp states the arithmetic.
//
// Slots: `mean` and `square`, the moments without correction; with amsgrad `largest`, the largest squares so far.
#include <array>

#include <tutti/kernels/update/adam.hpp>
#include <tutti/trainer/optimizers/optimizer.hpp>

namespace tutti::trainer {

namespace {

class Adam final : public Optimizer {
 public:
  Adam(const OptimizerOptions& options, bool decoupled)
      : amsgrad_(options.amsgrad),
        step_{.beta1 = options.beta1, .beta2 = options.beta2, .epsilon = options.epsilon, .decoupled = decoupled} {}

  std::span<const std::string_view> slots() const noexcept override {
    return std::span(kSlots).first(amsgrad_ ? 3 : 2);
  }

  void update(const UpdateMemory& memory, const UpdateStep& step) const override {
    AdamStep now = step_;
    now.learning_rate = step.learning_rate;
    now.weight_decay = step.weight_decay;
    now.number = step.number;
    adam_update(memory.parameters, memory.gradients, memory.slots[0], memory.slots[1],
                amsgrad_ ? memory.slots[2] : Buffer(), now);
  }

 private:
  static constexpr std::array<std::string_view, 3> kSlots{"mean", "square", "largest"};

  const bool amsgrad_;
  const AdamStep step_;  // without what each update states
};

}  // namespace

std::unique_ptr<Optimizer> make_adam(const OptimizerOptions& options) { return std::make_unique<Adam>(options, false); }
std::unique_ptr<Optimizer> make_adamw(const OptimizerOptions& options) { return std::make_unique<Adam>(options, true); }

}  // namespace tutti::trainer
