// Softmax regression: {n, inputs} -> dense -> {n, classes}
#include <tutti/trainer/models/layers.hpp>
#include <tutti/trainer/models/model.hpp>

namespace tutti::trainer {

std::vector<ParameterInfo> softmax_parameters(const ModelShape& shape, const ModelOptions&) {
  std::vector<ParameterInfo> parameters;
  add_layer(parameters, "output", {shape.classes, element_count(shape.input)}, 1.0);
  return parameters;
}

at::Tensor softmax_forward(const at::Tensor& input, std::span<const at::Tensor> p, const ModelOptions&) {
  return dense(input, p[0], p[1]);
}

}  // namespace tutti::trainer
