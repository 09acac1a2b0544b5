// A small convolutional network:
//   {n, c, h, w} -> 3x3 convolution, halved {n, channels, h/2, w/2} -> 3x3 convolution, halved {n, 2 channels, h/4,
//   w/4}
//                -> dense, relu {n, hidden} -> dense -> {n, classes}
#include <ATen/ops/conv2d.h>
#include <ATen/ops/max_pool2d.h>
#include <ATen/ops/relu.h>

#include <tutti/kernels/error.hpp>
#include <tutti/trainer/models/layers.hpp>
#include <tutti/trainer/models/model.hpp>

namespace tutti::trainer {

std::vector<ParameterInfo> convnet_parameters(const ModelShape& shape, const ModelOptions& options) {
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

at::Tensor convnet_forward(const at::Tensor& input, std::span<const at::Tensor> p, const ModelOptions& options) {
  // Pooling first leaves the relu a quarter of the work; both orders give the same values.
  at::Tensor x = at::conv2d(input, p[0], p[1], options.stride, 1);
  x = at::relu(options.stride == 1 ? at::max_pool2d(x, 2) : x);
  x = at::relu(at::max_pool2d(at::conv2d(x, p[2], p[3], 1, 1), 2));
  return dense(at::relu(dense(x, p[4], p[5])), p[6], p[7]);
}

}  // namespace tutti::trainer
