// How parameters are updated by their gradients: the interface of optimizers, and their table.
//
// An optimizer knows arithmetic and no ranks, buckets or files. What it remembers between steps lies in slots, arrays
// with names that belong to the caller, who allocates them, gives them to all ranks and writes them to checkpoints.
#pragma once

#include <memory>
#include <span>
#include <string_view>

#include <tutti/kernels/buffer.hpp>
#include <tutti/trainer/optimizers/options.hpp>

namespace tutti::trainer {

/// What an update reads and writes: all of one count and dtype, without overlap. A bucket, or a part of one.
struct UpdateMemory {
  Buffer parameters;
  ConstBuffer gradients;          ///< over all samples of the global batch
  std::span<const Buffer> slots;  ///< in the order of Optimizer::slots()
};

/// What all updates of a step have in common.
struct UpdateStep {
  double learning_rate = 0.0;
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

  /// Local, a function of its arguments alone: the same bits on every rank that has the same memory.
  virtual void update(const UpdateMemory& memory, const UpdateStep& step) const = 0;
};

/// The optimizer named options.kind. \throws InvalidArgument naming the known ones.
std::unique_ptr<Optimizer> make_optimizer(const OptimizerOptions& options);

/// sgd.cpp
std::unique_ptr<Optimizer> make_sgd(const OptimizerOptions& options);

}  // namespace tutti::trainer
