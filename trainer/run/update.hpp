// Where exchange and optimizer meet: the second half of a step.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include <tutti/trainer/exchange/exchange.hpp>
#include <tutti/trainer/memory/buckets.hpp>
#include <tutti/trainer/optimizers/groups.hpp>
#include <tutti/trainer/optimizers/optimizer.hpp>

namespace tutti::trainer {

/// Names of the arrays beside parameters and gradients: the optimizer's slots, and `average` with optimizer.ema_decay.
std::vector<std::string_view> update_slots(const Optimizer& optimizer, const OptimizerOptions& options);

/// What an update is to do beside updating.
struct UpdateRequest {
  double learning_rate = 0.0;
  std::uint64_t number = 1;  ///< of the step, counted from 1 over the whole run
  bool norm = false;         ///< tell the gradient norm
};

struct UpdateOutcome {
  std::optional<std::size_t> not_finite;  ///< a parameter whose gradient is not finite: nothing else is told then
  std::optional<double> gradient_norm;    ///< of the gradient of the global batch, before clipping
};

/// Updates the parameters of one replica, and their average.
class Update {
 public:
  /// Local. What is passed outlives it; `buckets` has the slots of update_slots().
  /// \throws InvalidArgument: a group that matches no parameter
  Update(const Optimizer& optimizer, const OptimizerOptions& options, std::span<const ParameterInfo> parameters,
         const Buckets& buckets);

  /// Collective, after backward: waits for the gradients of one bucket after another and updates its parameters, while
  /// later buckets are exchanged. With optimizer.clip_norm updates begin when all buckets have come, because the norm
  /// is that of all. If a gradient that all ranks have is not finite, the outcome names its parameter, the same on all
  /// ranks: no parameter of its bucket is updated then (none at all with clip_norm), and the exchange is to be ended
  /// by discard(). Apart from that the gradients are those after clipping. \throws CommunicationError
  [[nodiscard]] UpdateOutcome run(Exchange& exchange, const UpdateRequest& request);

  /// Exchanges parameters and averages; twice is not at all, bit for bit. Only with optimizer.ema_decay.
  void swap_average() noexcept;

 private:
  struct Part {
    UpdateMemory memory;
    std::vector<Buffer> slots;
    ParameterSettings settings;
  };
  void add_norms(std::size_t bucket);
  double norm() const noexcept;
  std::size_t largest_gradient() const noexcept;
  void update_bucket(std::size_t bucket, const UpdateRequest& request, double factor);
  Buffer average(std::size_t bucket) const noexcept { return buckets_.slots(bucket).back(); }

  const Optimizer& optimizer_;
  const double clip_norm_;
  const double clip_value_;
  const double ema_decay_;
  const Buckets& buckets_;
  std::vector<std::vector<Part>> parts_;  // by bucket
  std::vector<double> squares_;           // by parameter: sum of the squares of its gradient
};

}  // namespace tutti::trainer
