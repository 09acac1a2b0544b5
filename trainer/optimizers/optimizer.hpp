// How parameters are updated by their gradients: the interface of optimizers, and their table.
//
// An optimizer knows arithmetic and no ranks, buckets or files. What it remembers between steps lies in slots, arrays
// with names that belong to the caller, who allocates them, gives them to all ranks and writes them to checkpoints.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string_view>

#include <tutti/kernels/buffer.hpp>
#include <tutti/trainer/optimizers/options.hpp>

namespace tutti::trainer {

/// What an update reads and writes: all of one count and dtype, without overlap. A bucket, or a part of one; whole
/// blocks of kNormBlock elements of one parameter tensor where the optimizer needs norms.
struct UpdateMemory {
  Buffer parameters;
  ConstBuffer gradients;          ///< over all samples of the global batch
  std::span<const Buffer> slots;  ///< in the order of Optimizer::slots()
};

/// What holds for all parameters of an update.
struct UpdateStep {
  double learning_rate = 0.0;
  double weight_decay = 0.0;
  bool adapts = true;        ///< lars, lamb: false for a trust ratio of 1
  std::uint64_t number = 1;  ///< of the step, counted from 1 over the whole run: what bias corrections need

  /// Of the whole tensor, where the optimizer needs norms: what prepare() summed, from all parts of it.
  double parameter_square = 0.0;
  double direction_square = 0.0;
};

/// Room for the sums of squares of each block of a part.
struct NormBlocks {
  std::span<double> parameter_squares;
  std::span<double> direction_squares;
};

class Optimizer {
 public:
  Optimizer() = default;
  Optimizer(const Optimizer&) = delete;
  Optimizer& operator=(const Optimizer&) = delete;
  virtual ~Optimizer() = default;

  /// Names of the slots, each of the parameters' count and dtype and zeros before the first step. They name tensors in
  /// checkpoints.
  virtual std::span<const std::string_view> slots() const noexcept = 0;

  /// Whether an update needs norms of parameter tensors: prepare() comes first then, for all parts of a tensor.
  virtual bool needs_norms() const noexcept { return false; }

  /// The first half of an update that needs norms: all but the change of the parameters.
  virtual void prepare(const UpdateMemory& /*memory*/, const UpdateStep& /*step*/, const NormBlocks& /*norms*/) const {}

  /// Local, a function of its arguments alone: the same bits on every rank that has the same memory.
  virtual void update(const UpdateMemory& memory, const UpdateStep& step) const = 0;
};

/// The optimizer named options.kind. \throws InvalidArgument naming the known ones.
std::unique_ptr<Optimizer> make_optimizer(const OptimizerOptions& options);

// Each in the source of its name.
std::unique_ptr<Optimizer> make_sgd(const OptimizerOptions& options);
std::unique_ptr<Optimizer> make_adam(const OptimizerOptions& options);
std::unique_ptr<Optimizer> make_adamw(const OptimizerOptions& options);
std::unique_ptr<Optimizer> make_adagrad(const OptimizerOptions& options);
std::unique_ptr<Optimizer> make_rmsprop(const OptimizerOptions& options);
std::unique_ptr<Optimizer> make_lars(const OptimizerOptions& options);
std::unique_ptr<Optimizer> make_lamb(const OptimizerOptions& options);

}  // namespace tutti::trainer
