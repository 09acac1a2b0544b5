// Layers that models share, and the builder that strings them together.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include <tutti/trainer/memory/parameters.hpp>
#include <tutti/trainer/models/model.hpp>

namespace tutti::trainer {

std::int64_t element_count(const Extents& extents);

/// What the weights and biases of a layer begin as.
enum class Start : std::uint8_t {
  relu,     ///< uniform, variance 2 / fan_in, before a relu (He et al., ICCV 2015); biases 0
  output,   ///< uniform, variance 1 / fan_in; biases 0
  fan_out,  ///< normal, variance 2 / fan_out (convolutions before a relu); biases 0
  linear,   ///< weights and biases uniform within 1 / sqrt(fan_in), as torch.nn.Linear
};

struct Convolution {
  std::int64_t channels = 0;
  std::int64_t kernel = 3;
  std::int64_t stride = 1;
  std::int64_t padding = 0;
  bool bias = true;
};

/// input {n, ...} flattened, times weight {outputs, inputs}, plus bias: parameters of those numbers. In passes that
/// train, the gradient of the weight goes to the pass's sink in blocks of rows, so that its first rows travel while the
/// last ones are computed.
at::Tensor dense(const at::Tensor& input, std::size_t weight, std::size_t bias, const Pass& pass);

/// Makes a plan layer by layer and keeps track of the shape of one sample. Layers belong to the stage begun last; names
/// of tensors begin with the name of their layer.
class ModelBuilder {
 public:
  explicit ModelBuilder(Extents input) : shape_(std::move(input)) {}

  const Extents& shape() const noexcept { return shape_; }

  void stage(std::string name);

  std::size_t parameter(ParameterInfo info);
  std::size_t buffer(BufferInfo info);
  void use(std::size_t parameter);  ///< a parameter of an earlier stage, in this one as well

  /// A layer that makes samples of `shape`.
  void add(Layer layer, Extents shape, std::uint64_t multiply_adds = 0);

  void dense(const std::string& name, std::int64_t outputs, Start start);
  void convolution(const std::string& name, const Convolution& what, Start start);
  /// Over samples and positions, for each channel. `gamma`: what the scale begins as.
  void batch_norm(const std::string& name, double gamma = 1.0);
  /// Masks depend on seed, step, sample and the number of the layer alone; rate 0 adds nothing.
  void dropout(double rate);
  void relu();
  void max_pool(std::int64_t kernel, std::int64_t stride, std::int64_t padding = 0);
  void average_pool(std::int64_t size);  ///< to size x size
  /// x + body(x), or shortcut(x) + body(x) where there is a shortcut.
  void residual(const std::function<void()>& body, const std::function<void()>& shortcut = {});

  /// The plan, whose outputs are checked against `outputs`.
  ModelPlan finish();

 private:
  Extents convolved(const std::string& name, std::int64_t channels, std::int64_t kernel, std::int64_t stride,
                    std::int64_t padding) const;

  Extents shape_;
  ModelPlan plan_;
  std::vector<Layer>* branch_ = nullptr;  // where layers go while a branch is made
  std::uint32_t dropouts_ = 0;
};

/// Running statistics move by a tenth of the way with each batch; added to variances before the root.
inline constexpr double kBatchNormMomentum = 0.1;
inline constexpr double kNormEpsilon = 1e-5;

/// The mask of dropout for `like` = {samples, ...}, scaled: 0, or 1 / (1 - rate). Of f32 for bf16, in which the factor
/// would be off by up to 0.4 %.
at::Tensor dropout_mask(const at::Tensor& like, double rate, std::uint32_t layer, const Pass& pass);

}  // namespace tutti::trainer
