// Models: stages in order, each with its parameters, buffers and a forward pass. What libtorch knows of a model ends
// here; memory, gradients and updates are the trainer's.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <tutti/trainer/memory/parameters.hpp>
#include <tutti/trainer/models/options.hpp>

namespace torch::jit {
struct Module;
}

namespace tutti::trainer {

class SharedStatistics;

using Extents = std::vector<std::int64_t>;

/// What goes in and what comes out.
struct ModelShape {
  struct Input {
    std::string name;
    Extents extents;        ///< of one sample
    bool integers = false;  ///< i64 instead of the model's type
  };

  Extents input;                   ///< of one sample, channels first
  std::int64_t outputs = 0;        ///< classes, or numbers
  std::vector<Input> inputs = {};  ///< all inputs, for a model of a file; `input` is the first
};

/// A tensor that a model keeps beside its parameters, such as running statistics. No gradient, no update.
struct BufferInfo {
  std::string name;
  Extents shape;
  double initial_value = 0.0;
};

/// Where a layer puts gradients that it computes by itself, piece by piece, instead of leaving them to autograd.
class GradientSink {
 public:
  GradientSink() = default;
  GradientSink(const GradientSink&) = delete;
  GradientSink& operator=(const GradientSink&) = delete;
  virtual ~GradientSink() = default;

  /// Rows [first, first + gradient.size(0)) of the gradient of a parameter: written, or added if a pass of this step
  /// has written it before. Every row once a pass, in rising order. Whoever waits for that piece is told.
  virtual void put(std::size_t parameter, std::int64_t first, const at::Tensor& gradient) = 0;
};

/// One pass over a model: its tensors, and what the pass is for.
struct Pass {
  std::span<const at::Tensor> parameters = {};  ///< of the whole model, as in its plan
  std::span<const at::Tensor> buffers = {};     ///< of the whole model; changed by passes that train
  bool training = false;
  SharedStatistics* statistics = nullptr;   ///< of batch normalisation, in training; null: those of this rank's samples
  std::span<const at::Tensor> inputs = {};  ///< all inputs of a model of a file
  GradientSink* gradients = nullptr;        ///< in passes that train; outlives their backward pass

  // What masks of dropout are made from, in training.
  std::uint64_t seed = 0;
  std::uint64_t draw = 0;                   ///< another number each time that a sample comes round
  std::span<const std::uint64_t> ids = {};  ///< of the samples
};

/// A function of {samples, ...}.
using Layer = std::function<at::Tensor(const at::Tensor& input, const Pass& pass)>;

/// A part of a model between two points at which one tensor passes, so that a model can be cut there.
struct Stage {
  std::string name;
  std::vector<std::size_t> parameters = {};  ///< numbers in the plan; a tied parameter is in several stages
  std::vector<std::size_t> buffers = {};
  std::vector<Layer> layers = {};
  Extents output = {};              ///< of one sample
  std::uint64_t multiply_adds = 0;  ///< of one sample, forward, in convolutions and matrix products

  at::Tensor forward(const at::Tensor& input, const Pass& pass) const;
};

/// A layer of batch normalisation.
struct BatchNormLayer {
  std::string name;
  std::size_t channels = 0;
  std::size_t running_mean = 0;  ///< numbers of buffers in the plan
  std::size_t running_variance = 0;
};

/// A model for inputs of one shape.
struct ModelPlan {
  std::vector<ParameterInfo> parameters = {};  ///< first layer first
  std::vector<BufferInfo> buffers = {};
  std::vector<Stage> stages = {};

  std::vector<BatchNormLayer> batch_norms = {};  ///< in the order of forward

  /// The layer of batch normalisation that sees the fewest values of a channel in one sample.
  struct Narrowest {
    std::string name;
    std::int64_t values = 0;  ///< 0: there is no such layer
  } narrowest = {};
  bool has_dropout = false;

  /// Tensors that the model holds itself, as a model of a file does: those of `parameters` and `buffers`, or none.
  std::vector<at::Tensor> own_parameters = {};
  std::vector<at::Tensor> own_buffers = {};
  std::shared_ptr<torch::jit::Module> own_module = {};

  /// {samples, input...} -> {samples, outputs}: unnormalised log-probabilities of classes, or numbers. For bytes of
  /// text {samples, bytes, 256}.
  at::Tensor forward(const at::Tensor& input, const Pass& pass) const;

  std::uint64_t multiply_adds() const noexcept;
};

/// One row of the table of models.
struct Model {
  using Plan = ModelPlan(const ModelShape& shape, const ModelOptions& options);

  std::string_view name;
  std::string_view description;
  std::string_view loss;  ///< where the configuration says "auto"
  bool bytes;             ///< the input is text: samples of bytes, each to be foreseen from those before

  /// \throws InvalidArgument if the model cannot take such inputs or options.
  Plan* plan;
};

std::span<const Model> model_table() noexcept;

/// The row with that name. \throws InvalidArgument naming the known models.
const Model& find_model(std::string_view name);

/// The model that `options` name, by file or by name. \throws InvalidArgument
ModelPlan plan_model(const ModelShape& shape, const ModelOptions& options);

Model::Plan plan_softmax, plan_mlp, plan_convnet, plan_lenet5, plan_linear, plan_logistic, plan_vgg11, plan_resnet18,
    plan_resnet34, plan_resnet50, plan_gpt;

}  // namespace tutti::trainer
