// Small convolutional networks.
//
// convnet: {n, c, h, w} -> 3x3 convolution, halved {n, channels, h/2, w/2}
//                       -> 3x3 convolution, halved {n, 2 channels, h/4, w/4}
//                       -> dense, relu {n, hidden} -> dense -> {n, outputs}
// lenet5 (LeCun et al., 1998, with relu and max pooling, the third layer fully connected to the second):
//          {n, c, 28 or 32, ...} -> 6 of 5x5, halved -> 16 of 5x5, halved -> 120 -> 84 -> outputs
#include <tutti/kernels/error.hpp>
#include <tutti/trainer/models/layers.hpp>
#include <tutti/trainer/models/model.hpp>

namespace tutti::trainer {

ModelPlan plan_convnet(const ModelShape& shape, const ModelOptions& options) {
  if (shape.input.size() != 3 || shape.input[1] < 4 || shape.input[2] < 4)
    throw InvalidArgument("needs inputs of shape {channels, height, width}, at least 4 x 4");
  ModelBuilder model(shape.input);
  model.stage("conv1");
  model.convolution("conv1", {.channels = options.channels, .stride = options.stride, .padding = 1}, Start::relu);
  // Pooling first leaves the relu a quarter of the work; both orders give the same values.
  if (options.stride == 1) model.max_pool(2, 2);
  model.relu();
  model.stage("conv2");
  model.convolution("conv2", {.channels = 2 * options.channels, .padding = 1}, Start::relu);
  model.max_pool(2, 2);
  model.relu();
  model.stage("hidden");
  model.dense("hidden", options.hidden, Start::relu);
  model.relu();
  model.dropout(options.dropout);
  model.stage("output");
  model.dense("output", shape.outputs, Start::output);
  return model.finish();
}

ModelPlan plan_lenet5(const ModelShape& shape, const ModelOptions&) {
  if (shape.input.size() != 3) throw InvalidArgument("needs inputs of shape {channels, height, width}");
  ModelBuilder model(shape.input);
  const std::int64_t padding = shape.input[1] <= 28 ? 2 : 0;  // it was made for 32 x 32
  model.stage("conv1");
  model.convolution("conv1", {.channels = 6, .kernel = 5, .padding = padding}, Start::fan_out);
  model.max_pool(2, 2);
  model.relu();
  model.stage("conv2");
  model.convolution("conv2", {.channels = 16, .kernel = 5}, Start::fan_out);
  model.max_pool(2, 2);
  model.relu();
  model.stage("hidden1");
  model.dense("hidden1", 120, Start::linear);
  model.relu();
  model.stage("hidden2");
  model.dense("hidden2", 84, Start::linear);
  model.relu();
  model.stage("output");
  model.dense("output", shape.outputs, Start::linear);
  return model.finish();
}

}  // namespace tutti::trainer
