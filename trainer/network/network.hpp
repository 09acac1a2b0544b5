// One rank's replica of a model, over memory that belongs to the buckets. The rest of the trainer sees libtorch only
// through this.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include <tutti/trainer/memory/buckets.hpp>
#include <tutti/trainer/memory/parameters.hpp>
#include <tutti/trainer/models/options.hpp>
#include <tutti/trainer/models/shared_statistics.hpp>
#include <tutti/trainer/network/class_counts.hpp>
#include <tutti/trainer/network/score.hpp>

namespace tutti::trainer {

/// Some samples as they lie in a batch: n times the input field's elements, and n labels or n times the numbers of a
/// target, or neither if the target is in the input.
struct Samples {
  ConstBuffer inputs;
  std::span<const std::int64_t> labels;
  ConstBuffer targets = {};
  std::vector<ConstBuffer> further = {};  ///< inputs behind the first

  // What masks of dropout are made from; only a model with dropout needs them, in training.
  std::span<const std::uint64_t> ids = {};  ///< of the samples
  std::uint64_t draw = 0;                   ///< another number each time that a sample comes round
};

/// What a model sees of one sample, and what it is to tell.
struct Task {
  struct Input {
    std::string name;
    std::vector<std::size_t> shape;
    bool integers = false;
  };

  std::vector<std::size_t> input;   ///< shape of the first input
  std::size_t classes = 0;          ///< labels are 0 .. classes-1; 0: there are numbers instead, or neither
  std::size_t numbers = 0;          ///< of one sample's target
  bool integers = false;            ///< the first input is to be integers (i64), not scaled
  std::vector<Input> further = {};  ///< inputs behind the first; never scaled
  std::uint64_t seed = 0;           ///< of dropout
};

/// A tensor beside the parameters, such as running statistics, in the network's memory.
struct NamedBuffer {
  std::string name;
  std::vector<std::int64_t> shape;
  Buffer values;
};

/// The layer of batch normalisation that sees the fewest values of a channel in one sample; 0: there is none.
struct Narrowest {
  std::string name;
  std::int64_t values = 0;
};

/// What becomes of an input before the model sees it: (input / scale - mean) / std.
struct InputScaling {
  double scale = 1.0;
  std::vector<double> mean{0.0};  ///< one number, or one for each of the input's channels, its first extent
  std::vector<double> std{1.0};
};

/// A score, and what keeps it from being one.
struct Evaluated {
  Score score;
  std::optional<std::size_t> not_finite;  ///< the first sample for which the model gives a value that is not finite
};

/// Threads that the model's arithmetic of this process uses. They are part of what determines the bits of a run.
void set_arithmetic_threads(int threads);

/// Floating-point operations that this process does in a second, measured with a matrix product of `dtype`. Takes some
/// hundredths of a second.
double measured_flops(DType dtype);

class Network {
 public:
  /// Called when elements [first, first + count) of the gradient of a parameter are complete in its memory, during
  /// backward(), in the calling thread, in the order in which backward produces them. Every element once a backward
  /// pass; not called for parameters that got no gradient.
  using GradientReady = std::function<void(std::size_t parameter, std::size_t first, std::size_t count)>;

  /// The model of `options` for such a task. With `statistics`, which outlives it, batch normalisation is over the
  /// samples of all ranks: forward(), backward() and skip() are then collective, in the same order on all ranks.
  /// \throws InvalidArgument if there is no such model or loss, or it cannot take such inputs or give such outputs.
  Network(const ModelOptions& options, const InputScaling& scaling, const Task& task,
          StatisticsExchange* statistics = nullptr);
  ~Network();
  Network(const Network&) = delete;
  Network& operator=(const Network&) = delete;

  /// In model order.
  const std::vector<ParameterInfo>& parameters() const noexcept;

  /// In model order, over memory of the network. forward() changes them, on this rank alone.
  std::vector<NamedBuffer> buffers() const;

  Narrowest narrowest() const;

  /// Of a forward pass over one sample, in convolutions and matrix products.
  std::uint64_t multiply_adds() const noexcept;

  /// Outputs that are numbers to be met, 0 if they tell classes: as many as Score::targets has.
  std::size_t numbers() const noexcept;

  /// The parameters in the order in which backward completes their gradients, as one pass over made-up samples finds
  /// it; those without a gradient come last. Writes to the gradient memory. Local. Requires bind().
  std::vector<std::size_t> arrival_order();

  /// Classes that are told apart, two if outputs say yes or no; 0 if they are numbers.
  std::size_t classes() const noexcept;

  /// Makes parameters and gradients views of `buckets`, which must outlive the network and be of its parameters and
  /// dtype.
  void bind(const Buckets& buckets, GradientReady ready);

  /// Sum over the samples of the loss of each. Keeps what backward() needs. No samples: 0. Requires bind().
  double forward(const Samples& samples);

  /// A new step: the gradients are zero from here on, whatever the gradient memory holds until end_gradients().
  void begin_gradients() noexcept;

  /// Adds `weight` times the gradient of the last forward() to the gradients, and forgets that forward(). Without
  /// samples it gives no gradient. What `ready` throws comes out here.
  void backward(double weight);

  /// After something has failed, in forward(), in backward() or before: takes the part of a rank without samples in
  /// what is left of the two, for which other ranks wait. The statistics they get are NaN.
  void skip();

  /// After the last backward() of a step: writes zeros where no gradient was written.
  void end_gradients() noexcept;

  /// Loss and right answers, without gradients; changes nothing. Requires bind(). What was predicted for what is added
  /// to `counts`, if it is given and has cells: those of classes().
  Evaluated evaluate(const Samples& samples, ClassCounts* counts = nullptr);

  /// The bytes of a TorchScript file of this model (models/script_module.hpp) with `parameters`, in model order and of
  /// the model's type, and the buffers as they are. Its one input, or its inputs, are what the model sees: scaled.
  /// bind() is not needed, and with a model of a file it ends what was bound.
  std::string torchscript(std::span<const ConstBuffer> parameters,
                          const std::map<std::string, std::string>& extra_files) const;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace tutti::trainer
