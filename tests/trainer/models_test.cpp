// What models are made of: numbers of parameters and multiply-adds against those known for each, what they begin as.
#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <numeric>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include <tutti/kernels/error.hpp>
#include <tutti/trainer/models/layers.hpp>
#include <tutti/trainer/models/model.hpp>
#include <tutti/trainer/models/torchvision_names.hpp>
#include <tutti/trainer/network/model_list.hpp>

namespace tutti::trainer::test {

namespace {

std::uint64_t parameters_of(const ModelPlan& plan) {
  std::uint64_t count = 0;
  for (const ParameterInfo& parameter : plan.parameters) count += parameter.count();
  return count;
}

struct Known {
  const char* what;
  ModelOptions options;
  Extents input;
  std::int64_t outputs;
  std::uint64_t parameters;
  std::uint64_t multiply_adds;
};

// Those of ResNet and VGG for ImageNet are torchvision's.
const Known kKnown[] = {
    {"softmax", {.name = "softmax"}, {1, 28, 28}, 10, 7850, 7840},
    {"linear", {.name = "linear"}, {13}, 1, 14, 13},
    {"logistic", {.name = "logistic"}, {13}, 1, 14, 13},
    {"mlp", {.name = "mlp"}, {784}, 10, 101770, 101632},
    {"mlp of 3", {.name = "mlp", .hidden = 16, .depth = 3}, {8}, 2, 144 + 272 + 272 + 34, 128 + 256 + 256 + 32},
    {"convnet", {.name = "convnet", .hidden = 9, .channels = 3}, {1, 8, 8}, 3, 30 + 168 + 225 + 30, 1728 + 2592 + 243},
    {"lenet5 28", {.name = "lenet5"}, {1, 28, 28}, 10, 61706, 416520},
    {"lenet5 32", {.name = "lenet5"}, {1, 32, 32}, 10, 61706, 416520},
    {"lenet5 colour", {.name = "lenet5"}, {3, 32, 32}, 10, 62006, 651720},
    {"vgg11", {.name = "vgg11"}, {3, 32, 32}, 10, 9225610, 152769536},
    {"vgg11 normalised", {.name = "vgg11", .batch_norm = true}, {3, 32, 32}, 10, 9231114, 152769536},
    {"vgg11 imagenet", {.name = "vgg11", .stem = "imagenet"}, {3, 224, 224}, 1000, 132863336, 7609090048},
    {"resnet18", {.name = "resnet18"}, {3, 32, 32}, 10, 11173962, 555422720},
    {"resnet34", {.name = "resnet34"}, {3, 32, 32}, 10, 21282122, 1159402496},
    {"resnet50", {.name = "resnet50"}, {3, 32, 32}, 10, 23520842, 1297829888},
    {"resnet18, 100", {.name = "resnet18"}, {3, 32, 32}, 100, 11220132, 555468800},
    {"resnet34, 100", {.name = "resnet34"}, {3, 32, 32}, 100, 21328292, 1159448576},
    {"resnet50, 100", {.name = "resnet50"}, {3, 32, 32}, 100, 23705252, 1298014208},
    {"resnet18 grey", {.name = "resnet18"}, {1, 28, 28}, 10, 11172810, 455800832},
    {"resnet34 grey", {.name = "resnet34"}, {1, 28, 28}, 10, 21280970, 935917568},
    {"resnet50 grey", {.name = "resnet50"}, {1, 28, 28}, 10, 23519690, 1046819840},
    {"resnet18 imagenet", {.name = "resnet18", .stem = "imagenet"}, {3, 224, 224}, 1000, 11689512, 1814073344},
    {"resnet34 imagenet", {.name = "resnet34", .stem = "imagenet"}, {3, 224, 224}, 1000, 21797672, 3663761408},
    {"resnet50 imagenet", {.name = "resnet50", .stem = "imagenet"}, {3, 224, 224}, 1000, 25557032, 4089184256},
    {"resnet18 imagenet, 32", {.name = "resnet18", .stem = "imagenet"}, {3, 32, 32}, 10, 11181642, 37016576},
    {"gpt", {.name = "gpt"}, {128}, 256, 842496, 128 * (819200 + 131072)},
};

TEST(Models, HaveTheKnownNumbers) {
  for (const Known& known : kKnown) {
    SCOPED_TRACE(known.what);
    const ModelPlan plan = plan_model({.input = known.input, .outputs = known.outputs}, known.options);
    EXPECT_EQ(parameters_of(plan), known.parameters);
    EXPECT_EQ(plan.multiply_adds(), known.multiply_adds);
  }
}

TEST(Models, GptIsCountedAsGpt2Is) {
  // V 256 in place of 50257: 124,439,808 less what the other bytes' embeddings have.
  const ModelOptions options{.name = "gpt", .layers = 12, .heads = 12, .width = 768};
  const ModelPlan plan = plan_model({.input = {1024}, .outputs = 256}, options);
  EXPECT_EQ(parameters_of(plan), 124439808U - (50257U - 256U) * 768U);
}

TEST(Models, RunningStatisticsAreNoParameters) {
  for (const auto& [name, values] : {std::pair{"resnet18", 9600U}, {"resnet34", 17024U}, {"resnet50", 53120U}}) {
    const ModelPlan plan = plan_model({.input = {3, 32, 32}, .outputs = 10}, {.name = name});
    std::size_t count = 0;
    for (const BufferInfo& buffer : plan.buffers) count += static_cast<std::size_t>(buffer.shape.front());
    EXPECT_EQ(count, values) << name;
    EXPECT_EQ(plan.narrowest.values, 16) << name;
  }
  EXPECT_EQ(plan_model({.input = {8}, .outputs = 2}, {.name = "mlp", .batch_norm = true}).narrowest.values, 1);
  EXPECT_EQ(plan_model({.input = {8}, .outputs = 2}, {.name = "mlp"}).narrowest.values, 0);
}

/// Stages hold every tensor once, in order; only a tied one twice.
TEST(Models, StagesPartTheTensorsInOrder) {
  for (const Known& known : kKnown) {
    SCOPED_TRACE(known.what);
    const ModelPlan plan = plan_model({.input = known.input, .outputs = known.outputs}, known.options);
    std::vector<std::size_t> parameters;
    std::vector<std::size_t> buffers;
    std::set<std::string> names;
    for (const Stage& stage : plan.stages) {
      for (const std::size_t parameter : stage.parameters)
        if (known.options.name != "gpt" || parameter != 0 || parameters.empty()) parameters.push_back(parameter);
      buffers.insert(buffers.end(), stage.buffers.begin(), stage.buffers.end());
      EXPECT_TRUE(names.insert(stage.name).second) << stage.name;
      EXPECT_FALSE(stage.layers.empty()) << stage.name;
    }
    std::vector<std::size_t> all(plan.parameters.size());
    std::iota(all.begin(), all.end(), 0U);
    EXPECT_EQ(parameters, all);
    all.resize(plan.buffers.size());
    std::iota(all.begin(), all.end(), 0U);
    EXPECT_EQ(buffers, all);
    names.clear();
    for (const ParameterInfo& parameter : plan.parameters) names.insert(parameter.name);
    for (const BufferInfo& buffer : plan.buffers) names.insert(buffer.name);
    EXPECT_EQ(names.size(), plan.parameters.size() + plan.buffers.size()) << "names that stand twice";
    EXPECT_EQ(plan.stages.back().output.back(), known.outputs);
  }
}

const ParameterInfo& named(const ModelPlan& plan, const std::string& name) {
  for (const ParameterInfo& parameter : plan.parameters)
    if (parameter.name == name) return parameter;
  throw InvalidArgument("no parameter " + name);
}

TEST(Models, BeginAsTheirPapersSay) {
  const ModelPlan resnet =
      plan_model({.input = {3, 224, 224}, .outputs = 10}, {.name = "resnet18", .stem = "imagenet"});
  EXPECT_NEAR(named(resnet, "stem.weight").initial_std, 0.0252538136138, 1e-12);
  EXPECT_NEAR(named(resnet, "block1.1.conv1.weight").initial_std, 0.0589255650989, 1e-12);
  EXPECT_EQ(named(resnet, "block1.1.conv1.norm.weight").initial_value, 1.0);
  EXPECT_EQ(named(resnet, "block1.1.conv2.norm.weight").initial_value, 0.0);
  EXPECT_EQ(named(resnet, "block2.1.shortcut.norm.weight").initial_value, 1.0);
  EXPECT_NEAR(named(resnet, "output.bias").initial_bound, 1.0 / std::sqrt(512.0), 1e-12);
  const ModelPlan gpt = plan_model({.input = {8}, .outputs = 256}, {.name = "gpt", .layers = 12});
  EXPECT_EQ(named(gpt, "block1.attention.qkv.weight").initial_std, 0.02);
  EXPECT_NEAR(named(gpt, "block1.attention.out.weight").initial_std, 0.00408248290464, 1e-12);
  EXPECT_NEAR(named(gpt, "block12.mlp2.weight").initial_std, 0.00408248290464, 1e-12);
  EXPECT_EQ(named(gpt, "block3.norm1.weight").initial_value, 1.0);
}

TEST(Models, TorchvisionsNames) {
  const ModelOptions resnet{.name = "resnet50"};
  for (const auto& [ours, its] : std::vector<std::pair<const char*, const char*>>{
           {"stem.weight", "conv1.weight"},
           {"stem.norm.running_mean", "bn1.running_mean"},
           {"block1.1.conv1.weight", "layer1.0.conv1.weight"},
           {"block3.6.conv3.norm.bias", "layer3.5.bn3.bias"},
           {"block2.1.shortcut.weight", "layer2.0.downsample.0.weight"},
           {"block2.1.shortcut.norm.weight", "layer2.0.downsample.1.weight"},
           {"output.bias", "fc.bias"}})
    EXPECT_EQ(torchvision_name(resnet, ours), its);
  const ModelOptions vgg{.name = "vgg11", .stem = "imagenet"};
  ModelOptions normalised = vgg;
  normalised.batch_norm = true;
  EXPECT_EQ(torchvision_name(vgg, "conv1.bias"), "features.0.bias");
  EXPECT_EQ(torchvision_name(vgg, "conv8.weight"), "features.18.weight");
  EXPECT_EQ(torchvision_name(normalised, "conv8.weight"), "features.25.weight");
  EXPECT_EQ(torchvision_name(normalised, "conv8.norm.running_var"), "features.26.running_var");
  EXPECT_EQ(torchvision_name(vgg, "hidden2.weight"), "classifier.3.weight");
  EXPECT_EQ(torchvision_name(vgg, "output.weight"), "classifier.6.weight");
  EXPECT_THROW(torchvision_name({.name = "vgg11"}, "conv1.bias"), InvalidArgument);
  EXPECT_THROW(torchvision_name({.name = "mlp"}, "hidden.bias"), InvalidArgument);
  // Every tensor has a name, and no two the same.
  for (const ModelOptions& options : {resnet, vgg, normalised, ModelOptions{.name = "resnet34"}}) {
    const ModelPlan plan = plan_model({.input = {3, 64, 64}, .outputs = 10}, options);
    std::set<std::string> names;
    for (const ParameterInfo& info : plan.parameters) names.insert(torchvision_name(options, info.name));
    for (const BufferInfo& info : plan.buffers) names.insert(torchvision_name(options, info.name));
    EXPECT_EQ(names.size(), plan.parameters.size() + plan.buffers.size()) << options.name;
  }
}

TEST(Models, NormalNumbersAreNormal) {
  constexpr std::size_t kCount = 20000;
  std::vector<double> values(kCount);
  initialise({.name = "w", .shape = {kCount}, .initial_std = 0.5}, 2, 1, Buffer(std::span(values)));
  const double mean = std::accumulate(values.begin(), values.end(), 0.0) / kCount;
  double square = 0.0;
  std::size_t within = 0;
  for (const double value : values) {
    square += value * value;
    within += std::abs(value) < 0.5 ? 1 : 0;
  }
  EXPECT_NEAR(mean, 0.0, 0.02);
  EXPECT_NEAR(std::sqrt(square / kCount), 0.5, 0.01);
  EXPECT_NEAR(static_cast<double>(within) / kCount, 0.6827, 0.015);
  std::vector<float> tail(10);
  initialise({.name = "w", .shape = {10}, .initial_std = 0.5}, 2, 1, Buffer(std::span(tail)));
  for (std::size_t i = 0; i < tail.size(); ++i) EXPECT_FLOAT_EQ(tail[i], static_cast<float>(values[i]));
}

// A block whose last scale is 0 gives its input back: so does the network begin.
TEST(Models, ResidualBlocksBeginAsTheirInput) {
  ModelBuilder builder({2, 4, 4});
  builder.stage("block");
  builder.residual([&] {
    builder.convolution("conv", {.channels = 2, .padding = 1, .bias = false}, Start::fan_out);
    builder.batch_norm("norm", 0.0);
  });
  const ModelPlan plan = builder.finish();
  const std::vector<at::Tensor> parameters{at::randn({2, 2, 3, 3}), at::zeros({2}), at::zeros({2})};
  const std::vector<at::Tensor> buffers{at::zeros({2}), at::ones({2})};
  const at::Tensor x = at::randn({3, 2, 4, 4});
  const at::Tensor y = plan.forward(x, {.parameters = parameters, .buffers = buffers, .training = true});
  EXPECT_TRUE(at::equal(x, y));
  EXPECT_FALSE(at::equal(buffers[0], at::zeros({2})));  // the running mean has moved
}

TEST(Models, ListSaysWhatThereIs) {
  const std::string list = model_list({3, 32, 32}, 10, {});
  EXPECT_NE(list.find("11,173,962"), std::string::npos) << list;
  EXPECT_NE(list.find("555,422,720"), std::string::npos) << list;
  EXPECT_NE(list.find("gpt"), std::string::npos);
  EXPECT_NE(list.find("here it needs samples of one extent"), std::string::npos) << list;
  for (const Model& model : model_table()) EXPECT_GT(model.description.size(), 10U) << model.name;
  EXPECT_EQ(extents_of("3x32x7"), (std::vector<std::size_t>{3, 32, 7}));
  for (const char* wrong : {"", "x", "3x", "3xx4", "0x3", "-1", "3,4", "99999999999999999999"})
    EXPECT_THROW(extents_of(wrong), InvalidArgument) << wrong;
}

TEST(Models, UnfitOptionsAndInputsAreNamed) {
  const auto message = [](const ModelOptions& options, const Extents& input) -> std::string {
    try {
      plan_model({.input = input, .outputs = 10}, options);
    } catch (const InvalidArgument& error) {
      return error.what();
    }
    return "no error";
  };
  EXPECT_EQ(message({.name = "gpt", .heads = 3}, {8}),
            "model.name = \"gpt\" cannot divide model.width = 128 among model.heads = 3");
  EXPECT_EQ(
      message({.name = "vgg11"}, {3, 16, 16}),
      "model.name = \"vgg11\" cannot take inputs that small: layer max pool of 2 gets 1 x 1 positions and looks at "
      "2 x 2");
  EXPECT_EQ(message({.name = "lenet5", .dropout = 0.5}, {1, 28, 28}),
            "model.name = \"lenet5\" has no dropout: model.dropout must be 0");
  EXPECT_EQ(message({.name = "softmax", .batch_norm = true}, {8}),
            "model.name = \"softmax\" has no batch normalisation: model.batch_norm must be false");
  EXPECT_EQ(message({.name = "resnet18"}, {64}),
            "model.name = \"resnet18\" needs inputs of shape {channels, height, width}");
}

}  // namespace

}  // namespace tutti::trainer::test
