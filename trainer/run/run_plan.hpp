// What a run would need, without making it: memory of a rank, bytes that travel, and the time of a step.
#pragma once

#include <cstddef>
#include <string>

#include <tutti/trainer/config/config.hpp>
#include <tutti/trainer/exchange/bucket_size.hpp>
#include <tutti/trainer/run/step_loop.hpp>

namespace tutti::trainer {

/// Bytes that a rank holds of a model from the first step to the last. Activations, batches and what libtorch takes
/// beside them are not among them.
struct MemoryPlan {
  std::size_t parameters = 0;
  std::size_t gradients = 0;
  std::size_t slots = 0;  ///< of the optimizer, and the moving average: with `sharded` those of a rank's part

  std::size_t total() const noexcept { return parameters + gradients + slots; }
};

/// Of `elements` parameters of `element_bytes`, with `slots` slots, which `owners` ranks share.
MemoryPlan plan_memory(std::size_t elements, std::size_t element_bytes, std::size_t slots, int owners) noexcept;

/// Bytes that each of `ranks` ranks has to send in a step at the least, whichever strategy: 2 (P - 1) / P of the model.
double bytes_sent(std::size_t model_bytes, int ranks) noexcept;

/// A step takes `arithmetic` seconds without the exchange, of which two thirds are backward, and the exchange
/// `exchange`. What overlaps is predicted to be hidden behind backward, but for the last bucket.
double predicted_step_seconds(double arithmetic, double exchange, double last_bucket, bool overlaps) noexcept;

/// The plan of `config` for such a task on such ranks, as text. `flops`: floating-point operations that a rank does in
/// a second, or 0: those of a matrix product measured here. \throws InvalidArgument: no such model or optimizer
std::string plan_text(const Config& config, const TaskShape& task, const ClusterShape& cluster, double flops);

}  // namespace tutti::trainer
