// One rank's replica of a model, over memory that belongs to the buckets. The rest of the trainer sees libtorch only
// through this.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include <tutti/trainer/memory/buckets.hpp>
#include <tutti/trainer/memory/parameters.hpp>
#include <tutti/trainer/models/options.hpp>

namespace tutti::trainer {

/// Some samples as they lie in a batch: n times the input field's elements, and n labels.
struct Samples {
  ConstBuffer inputs;
  std::span<const std::int64_t> labels;
};

/// What becomes of an input before the model sees it: (input / scale - mean) / std.
struct InputScaling {
  double scale = 1.0;
  double mean = 0.0;
  double std = 1.0;
};

/// Sums over samples, so that they add up over ranks.
struct Score {
  double loss = 0.0;
  std::uint64_t correct = 0;
  std::uint64_t samples = 0;
};

/// A score, and what keeps it from being one.
struct Evaluated {
  Score score;
  std::optional<std::size_t> not_finite;  ///< the first sample for which the model gives a value that is not finite
};

/// Threads that the model's arithmetic of this process uses. They are part of what determines the bits of a run.
void set_arithmetic_threads(int threads);

class Network {
 public:
  /// Called when the gradient of a parameter is complete in its memory, during backward(), in the calling thread, in
  /// the order in which backward produces them. Not called for parameters that got no gradient.
  using GradientReady = std::function<void(std::size_t parameter)>;

  /// The model of `options` for inputs of `input_shape` (of one sample) and labels 0 .. classes-1.
  /// \throws InvalidArgument if there is no such model, or it cannot take such inputs.
  Network(const ModelOptions& options, const InputScaling& scaling, const std::vector<std::size_t>& input_shape,
          std::size_t classes);
  ~Network();
  Network(const Network&) = delete;
  Network& operator=(const Network&) = delete;

  /// In model order.
  const std::vector<ParameterInfo>& parameters() const noexcept;

  /// Makes parameters and gradients views of `buckets`, which must outlive the network and be of its parameters and
  /// dtype.
  void bind(const Buckets& buckets, GradientReady ready);

  /// Sum over the samples of the cross-entropy of their labels. Keeps what backward() needs. No samples: 0. Requires
  /// bind().
  double forward(const Samples& samples);

  /// Adds `weight` times the gradient of the last forward() to the gradient memory, and forgets that forward().
  /// Without samples it does nothing. What `ready` throws comes out here.
  void backward(double weight);

  /// Loss and number of right answers, without gradients. Requires bind().
  Evaluated evaluate(const Samples& samples);

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace tutti::trainer
