// softmax   {n, inputs} -> dense -> {n, classes}
// mlp       {n, inputs} -> dense, relu {n, hidden} -> dense -> {n, classes}
// convnet   {n, c, h, w} -> 3x3 convolution, halved {n, channels, h/2, w/2} -> 3x3 convolution, halved {n, 2 channels,
// h/4, w/4}
//           -> dense, relu {n, hidden} -> dense -> {n, classes}
//
// Dense layers of f32 are asked of oneDNN by name. libtorch would ask the BLAS library, which on a plain Debian is the
// reference one and several times slower (figures in README.md).
#include <ATen/Context.h>
#include <ATen/ops/conv2d.h>
#include <ATen/ops/linear.h>
#include <ATen/ops/max_pool2d.h>
#include <ATen/ops/mkldnn_linear.h>
#include <ATen/ops/relu.h>

#include <cmath>

#include <tutti/kernels/text.hpp>
#include <tutti/trainer/models/model.hpp>

namespace tutti::trainer {

namespace {

using at::Tensor;
using Options = Config::Model;

std::int64_t product(const std::vector<std::int64_t>& extents) {
  std::int64_t result = 1;
  for (const auto extent : extents) result *= extent;
  return result;
}

/// Weight and bias of a layer; `gain` 2 before a relu (He et al., ICCV 2015), 1 before the output: variance gain /
/// fan_in.
void add_layer(std::vector<ParameterInfo>& parameters, const std::string& layer, std::vector<std::int64_t> weight,
               double gain) {
  const std::int64_t outputs = weight.front();
  const double fan_in = static_cast<double>(product(weight)) / static_cast<double>(outputs);
  parameters.push_back({layer + ".weight", std::move(weight), std::sqrt(3.0 * gain / fan_in)});
  parameters.push_back({layer + ".bias", {outputs}, 0.0});
}

/// input {n, ...} flattened, times weight {outputs, inputs}, plus bias.
Tensor dense(const Tensor& input, const Tensor& weight, const Tensor& bias) {
  const Tensor rows = input.flatten(1);
  if (input.scalar_type() != at::kFloat || !at::globalContext().userEnabledMkldnn())
    return at::linear(rows, weight, bias);
  return at::mkldnn_linear(rows.to_mkldnn(), weight, bias).to_dense();
}

std::vector<ParameterInfo> softmax_parameters(const ModelShape& shape, const Options&) {
  std::vector<ParameterInfo> parameters;
  add_layer(parameters, "output", {shape.classes, product(shape.input)}, 1.0);
  return parameters;
}

Tensor softmax_forward(const Tensor& input, std::span<const Tensor> p, const Options&) {
  return dense(input, p[0], p[1]);
}

std::vector<ParameterInfo> mlp_parameters(const ModelShape& shape, const Options& options) {
  std::vector<ParameterInfo> parameters;
  add_layer(parameters, "hidden", {options.hidden, product(shape.input)}, 2.0);
  add_layer(parameters, "output", {shape.classes, options.hidden}, 1.0);
  return parameters;
}

Tensor mlp_forward(const Tensor& input, std::span<const Tensor> p, const Options&) {
  return dense(at::relu(dense(input, p[0], p[1])), p[2], p[3]);
}

std::vector<ParameterInfo> convnet_parameters(const ModelShape& shape, const Options& options) {
  if (shape.input.size() != 3 || shape.input[1] < 4 || shape.input[2] < 4)
    throw InvalidArgument("model.name = \"convnet\" needs inputs of shape {channels, height, width}, at least 4 x 4");
  const auto halved_twice = [&](std::int64_t extent) {
    return (options.stride == 2 ? (extent + 1) / 2 : extent / 2) / 2;  // a strided convolution rounds up, pooling down
  };
  const std::int64_t first = options.channels;
  const std::int64_t second = 2 * options.channels;
  const std::int64_t height = halved_twice(shape.input[1]);
  const std::int64_t width = halved_twice(shape.input[2]);
  std::vector<ParameterInfo> parameters;
  add_layer(parameters, "conv1", {first, shape.input[0], 3, 3}, 2.0);
  add_layer(parameters, "conv2", {second, first, 3, 3}, 2.0);
  add_layer(parameters, "hidden", {options.hidden, second * height * width}, 2.0);
  add_layer(parameters, "output", {shape.classes, options.hidden}, 1.0);
  return parameters;
}

Tensor convnet_forward(const Tensor& input, std::span<const Tensor> p, const Options& options) {
  // Pooling first leaves the relu a quarter of the work; both orders give the same values.
  Tensor x = at::conv2d(input, p[0], p[1], options.stride, 1);
  x = at::relu(options.stride == 1 ? at::max_pool2d(x, 2) : x);
  x = at::relu(at::max_pool2d(at::conv2d(x, p[2], p[3], 1, 1), 2));
  return dense(at::relu(dense(x, p[4], p[5])), p[6], p[7]);
}

constexpr Model kModels[] = {
    {"softmax", softmax_parameters, softmax_forward},
    {"mlp", mlp_parameters, mlp_forward},
    {"convnet", convnet_parameters, convnet_forward},
};

}  // namespace

const Model& find_model(std::string_view name) {
  std::string known;
  for (const Model& model : kModels) {
    if (model.name == name) return model;
    known += text(known.empty() ? "" : ", ", model.name);
  }
  throw InvalidArgument(text("unknown model '", name, "'; known: ", known));
}

}  // namespace tutti::trainer
