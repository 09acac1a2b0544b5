// Adagrad, element by element: kernels/update/adagrad.hpp states the arithmetic.
//
// Slot: `square`, the sum of squares; the first step adds the initial accumulator to it.
#include <array>

#include <tutti/kernels/update/adagrad.hpp>
#include <tutti/trainer/optimizers/optimizer.hpp>

namespace tutti::trainer {

namespace {

class Adagrad final : public Optimizer {
 public:
  explicit Adagrad(const OptimizerOptions& options)
      : step_{.rate_decay = options.rate_decay,
              .initial_accumulator = options.initial_accumulator,
              .epsilon = options.epsilon} {}

  std::span<const std::string_view> slots() const noexcept override { return kSlots; }

  void update(const UpdateMemory& memory, const UpdateStep& step) const override {
    AdagradStep now = step_;
    now.learning_rate = step.learning_rate;
    now.weight_decay = step.weight_decay;
    now.number = step.number;
    adagrad_update(memory.parameters, memory.gradients, memory.slots[0], now);
  }

 private:
  static constexpr std::array<std::string_view, 1> kSlots{"square"};

  const AdagradStep step_;  // without what each update states
};

}  // namespace

std::unique_ptr<Optimizer> make_adagrad(const OptimizerOptions& options) { return std::make_unique<Adagrad>(options); }

}  // namespace tutti::trainer
