// Where exchange and optimizer meet: the second half of a step.
#pragma once

#include <algorithm>
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
  std::uint64_t number = 1;     ///< of the step, counted from 1 over the whole run
  bool norm = false;            ///< tell the gradient norm
  double divisor = 1.0;         ///< of the gradients that arrive: a loss scale
  bool all_or_nothing = false;  ///< begin to update when all gradients have come and are finite
};

struct UpdateOutcome {
  std::optional<std::size_t> not_finite;  ///< a parameter whose gradient is not finite: nothing else is told then
  bool norm_overflows = false;            ///< that gradient is finite, the square of its norm is not
  std::optional<double> gradient_norm;    ///< of the gradient of the global batch, before clipping
};

/// Sums of the squares of each block of kNormBlock elements of each parameter. Norms made from them have the same bits
/// however parameters are cut and whoever owns the parts.
class NormSums {
 public:
  explicit NormSums(const BucketPlan& plan);

  void clear() noexcept { std::fill(sums_.begin(), sums_.end(), 0.0); }
  std::span<double> blocks(const BucketPlan::Piece& piece) noexcept;
  std::span<double> all() noexcept { return sums_; }
  double of(std::size_t parameter) const noexcept;  ///< the square of the parameter's norm

 private:
  std::vector<std::size_t> begin_;  // by parameter, and one more
  std::vector<double> sums_;
};

/// Updates what this rank owns of the parameters of one replica, and of their average.
class Update {
 public:
  /// Local. What is passed outlives it; `buckets` has the slots of update_slots().
  /// \throws InvalidArgument: a group that matches no parameter
  Update(const Optimizer& optimizer, const OptimizerOptions& options, std::span<const ParameterInfo> parameters,
         const Buckets& buckets);

  /// Collective, after backward: waits for the gradients of one bucket after another and updates its parameters, while
  /// later buckets are exchanged. With optimizer.clip_norm updates begin when all buckets have come, because the norm
  /// is that of all. If a gradient is not finite, the outcome names its parameter, the same on all ranks: this rank has
  /// updated nothing of its bucket then (nothing at all with clip_norm or all_or_nothing), and the exchange is to be
  /// ended by discard(). Apart from that the gradients are those after clipping. \throws CommunicationError
  [[nodiscard]] UpdateOutcome run(Exchange& exchange, const UpdateRequest& request);

  /// After a step that was skipped before the first update: the average begins as the parameters are.
  void begin_average() noexcept;

  /// Exchanges parameters and averages of what this rank owns; twice is not at all, bit for bit. Only with
  /// optimizer.ema_decay.
  void swap_average() noexcept;

 private:
  struct Part {
    UpdateMemory memory;
    std::vector<Buffer> slots;
    ParameterSettings settings;
    std::optional<BucketPlan::Piece> piece;  // of one parameter, where the optimizer needs norms
  };
  Part part(std::size_t bucket, std::size_t offset, std::size_t count, const ParameterSettings& settings) const;
  bool is_finite(std::size_t bucket);
  void add_gradient_norms(std::size_t bucket);
  double gradient_norm() const noexcept;
  std::size_t largest_gradient() const noexcept;
  UpdateOutcome agreed_outcome(Exchange& exchange);
  void begin_update(Exchange& exchange, std::size_t bucket, const UpdateRequest& request, double factor);
  void finish_update(Exchange& exchange, std::size_t bucket, const UpdateRequest& request);
  static UpdateStep step_for(const Part& part, const UpdateRequest& request);
  void begin_average(std::size_t bucket) noexcept;
  Buffer average(std::size_t bucket) const noexcept { return buckets_.slots(bucket).back(); }

  const Optimizer& optimizer_;
  const double clip_norm_;
  const double clip_value_;
  const double ema_decay_;
  const Buckets& buckets_;
  std::vector<std::vector<Part>> parts_;                    // by bucket
  std::vector<std::vector<BucketPlan::Piece>> own_pieces_;  // by bucket
  NormSums gradients_;
  NormSums weights_, directions_;   // where the optimizer needs norms
  std::vector<double> not_finite_;  // by parameter: 1 where a gradient that this rank owns is not finite
};

}  // namespace tutti::trainer
