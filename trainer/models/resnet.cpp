// Residual networks (He et al., CVPR 2016) of four groups of blocks with 64, 128, 256 and 512 channels; each group but
// the first halves its input in its first block, in the 3x3 convolution.
//
//   stem "small"     3x3, for images of about 32 x 32
//   stem "imagenet"  7x7 with stride 2, then a 3x3 max pool with stride 2
//
// A block adds to its input two convolutions (18, 34) or a bottleneck of three, with four times as many channels at its
// end (50). The last normalisation of a block begins with scale 0, so that the block begins as what it adds to (Goyal
// et al., arXiv:1706.02677).
#include <array>
#include <cstddef>
#include <string>

#include <tutti/kernels/text.hpp>
#include <tutti/trainer/models/layers.hpp>
#include <tutti/trainer/models/model.hpp>

namespace tutti::trainer {

namespace {

/// A convolution without bias and its normalisation.
void normalised(ModelBuilder& model, const std::string& name, const Convolution& what, double gamma = 1.0) {
  Convolution without = what;
  without.bias = false;
  model.convolution(name, without, Start::fan_out);
  model.batch_norm(name + ".norm", gamma);
}

void block(ModelBuilder& model, const std::string& name, std::int64_t channels, std::int64_t stride, bool bottleneck) {
  const std::int64_t output = bottleneck ? 4 * channels : channels;
  const bool same = stride == 1 && model.shape().front() == output;
  const auto body = [&] {
    if (bottleneck) {
      normalised(model, name + ".conv1", {.channels = channels, .kernel = 1});
      model.relu();
      normalised(model, name + ".conv2", {.channels = channels, .stride = stride, .padding = 1});
      model.relu();
      normalised(model, name + ".conv3", {.channels = output, .kernel = 1}, 0.0);
    } else {
      normalised(model, name + ".conv1", {.channels = channels, .stride = stride, .padding = 1});
      model.relu();
      normalised(model, name + ".conv2", {.channels = channels, .padding = 1}, 0.0);
    }
  };
  const auto projection = [&] {
    normalised(model, name + ".shortcut", {.channels = output, .kernel = 1, .stride = stride});
  };
  if (same)
    model.residual(body);
  else
    model.residual(body, projection);
  model.relu();
}

ModelPlan plan_resnet(const ModelShape& shape, const ModelOptions& options, const std::array<int, 4>& blocks,
                      bool bottleneck) {
  ModelBuilder model(shape.input);
  model.stage("stem");
  if (options.stem == "imagenet") {
    normalised(model, "stem", {.channels = 64, .kernel = 7, .stride = 2, .padding = 3});
    model.relu();
    model.max_pool(3, 2, 1);
  } else {
    normalised(model, "stem", {.channels = 64, .padding = 1});
    model.relu();
  }
  for (std::size_t group = 0; group < blocks.size(); ++group)
    for (int i = 0; i < blocks[group]; ++i) {
      const std::string name = text("block", group + 1, ".", i + 1);
      model.stage(name);
      block(model, name, std::int64_t{64} << group, group > 0 && i == 0 ? 2 : 1, bottleneck);
    }
  model.stage("output");
  model.average_pool(1);
  model.dropout(options.dropout);
  model.dense("output", shape.outputs, Start::linear);
  return model.finish();
}

}  // namespace

ModelPlan plan_resnet18(const ModelShape& shape, const ModelOptions& options) {
  return plan_resnet(shape, options, {2, 2, 2, 2}, false);
}

ModelPlan plan_resnet34(const ModelShape& shape, const ModelOptions& options) {
  return plan_resnet(shape, options, {3, 4, 6, 3}, false);
}

ModelPlan plan_resnet50(const ModelShape& shape, const ModelOptions& options) {
  return plan_resnet(shape, options, {3, 4, 6, 3}, true);
}

}  // namespace tutti::trainer
