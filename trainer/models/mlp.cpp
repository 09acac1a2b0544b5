// A perceptron with one hidden layer: {n, inputs} -> dense, relu {n, hidden} -> dense -> {n, classes}
#include <ATen/ops/relu.h>

#include <tutti/trainer/models/layers.hpp>
#include <tutti/trainer/models/model.hpp>

namespace tutti::trainer {

std::vector<ParameterInfo> mlp_parameters(const ModelShape& shape, const ModelOptions& options) {
  std::vector<ParameterInfo> parameters;
  add_layer(parameters, "hidden", {options.hidden, element_count(shape.input)}, 2.0);
  add_layer(parameters, "output", {shape.classes, options.hidden}, 1.0);
  return parameters;
}

at::Tensor mlp_forward(const at::Tensor& input, std::span<const at::Tensor> p, const ModelOptions&) {
  return dense(at::relu(dense(input, p[0], p[1])), p[2], p[3]);
}

}  // namespace tutti::trainer
