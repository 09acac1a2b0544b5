// Models as TorchScript files: what is loaded computes what the model does, and its tensors have the model's names.
#include <ATen/ATen.h>
#include <gtest/gtest.h>
#include <torch/csrc/jit/api/module.h>
#include <torch/csrc/jit/serialization/import.h>

#include <cstddef>
#include <cstdint>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include <tutti/trainer/models/model.hpp>
#include <tutti/trainer/models/script_module.hpp>

#include "tests/support/draw.hpp"

namespace tutti::trainer::test {

namespace {

struct Exported {
  const char* what;
  ModelOptions options;
  Extents input;
  std::int64_t outputs;
};

const std::vector<Exported> kSmall{
    {"softmax", {.name = "softmax"}, {1, 8, 8}, 10},
    {"linear", {.name = "linear"}, {13}, 1},
    {"logistic", {.name = "logistic"}, {13}, 1},
    {"mlp", {.name = "mlp", .hidden = 16}, {1, 8, 8}, 3},
    {"mlp with all",
     {.name = "mlp", .hidden = 16, .dtype = "f64", .depth = 2, .batch_norm = true, .dropout = 0.5},
     {12},
     3},
    {"convnet", {.name = "convnet", .hidden = 9, .channels = 3}, {1, 8, 8}, 3},
    {"convnet of stride 2", {.name = "convnet", .channels = 3, .stride = 2, .dropout = 0.1}, {2, 9, 11}, 3},
    {"lenet5", {.name = "lenet5"}, {1, 28, 28}, 10},
    {"gpt", {.name = "gpt", .dropout = 0.1, .layers = 2, .heads = 2, .width = 16}, {7}, 256},
};

// A second each.
const std::vector<Exported> kLarge{
    {"vgg11", {.name = "vgg11", .batch_norm = true}, {3, 32, 32}, 10},
    {"resnet18", {.name = "resnet18"}, {3, 16, 16}, 10},
    {"resnet18 imagenet", {.name = "resnet18", .stem = "imagenet", .dropout = 0.1}, {3, 32, 32}, 10},
    {"resnet34", {.name = "resnet34"}, {1, 8, 8}, 4},
    {"resnet50", {.name = "resnet50"}, {1, 8, 8}, 4},
};

std::vector<Exported> cases() {
  std::vector<Exported> all = kSmall;
  for (const Exported& large : tutti::test::drawn(kLarge, 1, 0x736d)) all.push_back(large);
  return all;
}

class ScriptModule : public testing::TestWithParam<Exported> {
 protected:
  ScriptModule() {
    at::manual_seed(3);
    for (const ParameterInfo& info : plan_.parameters)
      parameters_.push_back(at::randn(info.shape, type_).mul(0.2).add(info.initial_value));
    for (const BufferInfo& info : plan_.buffers)
      buffers_.push_back(at::rand(info.shape, type_).mul(0.5).add(info.initial_value));
  }

  torch::jit::Module loaded() const {
    std::istringstream file(torchscript_file(
        {.takes_integers = is_gpt_, .plan = plan_, .shape = shape_, .parameters = parameters_, .buffers = buffers_},
        {{"about.json", "{}"}}));
    torch::jit::ExtraFilesMap extra{{"about.json", ""}};
    torch::jit::Module module = torch::jit::load(file, at::kCPU, extra);
    EXPECT_EQ(extra.at("about.json"), "{}");
    return module;
  }

  void expect_tensors(const torch::jit::Module& module) const {
    EXPECT_FALSE(module.is_training());
    std::size_t found = 0;
    for (const auto& parameter : module.named_parameters()) {
      for (std::size_t i = 0; i < plan_.parameters.size(); ++i) {
        if (plan_.parameters[i].name != parameter.name) continue;
        EXPECT_TRUE(at::equal(parameter.value, parameters_[i])) << parameter.name;
        ++found;
      }
    }
    EXPECT_EQ(found, plan_.parameters.size());
    EXPECT_EQ(module.parameters().size(), plan_.parameters.size());
    found = 0;
    for (const auto& buffer : module.named_buffers()) {
      for (std::size_t i = 0; i < plan_.buffers.size(); ++i) {
        if (plan_.buffers[i].name != buffer.name) continue;
        EXPECT_TRUE(at::equal(buffer.value, buffers_[i])) << buffer.name;
        ++found;
      }
    }
    EXPECT_EQ(found, plan_.buffers.size());
    EXPECT_EQ(module.buffers().size(), plan_.buffers.size());
  }

  at::Tensor samples(std::int64_t n) const {
    Extents extents = shape_.input;
    extents.insert(extents.begin(), n);
    return is_gpt_ ? at::randint(256, extents, at::kLong) : at::randn(extents, type_);
  }

  const at::ScalarType type_ = GetParam().options.dtype == "f64" ? at::kDouble : at::kFloat;
  const bool is_gpt_ = GetParam().options.name == "gpt";
  const ModelShape shape_{.input = GetParam().input, .outputs = GetParam().outputs};
  const ModelPlan plan_ = plan_model(shape_, GetParam().options);
  std::vector<at::Tensor> parameters_;
  std::vector<at::Tensor> buffers_;
};

TEST_P(ScriptModule, ComputesWhatTheModelDoesWithItsTensors) {
  torch::jit::Module module = loaded();
  expect_tensors(module);
  const c10::InferenceMode inference;
  for (const std::int64_t n : {1, 2, 5}) {
    const at::Tensor x = samples(n);
    const at::Tensor expected = plan_.forward(x, {.parameters = parameters_, .buffers = buffers_});
    for (int call = 0; call < 2; ++call) {  // the second is an optimised one
      const at::Tensor found = module.forward({x}).toTensor();
      ASSERT_EQ(found.sizes(), expected.sizes()) << n;
      const double size = expected.abs().max().item().toDouble();
      EXPECT_LE(found.sub(expected).abs().max().item().toDouble(), (type_ == at::kDouble ? 1e-12 : 2e-6) * size) << n;
      EXPECT_GT(size, 0.0);
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Models, ScriptModule, testing::ValuesIn(cases()), [](const auto& param_info) {
  std::string name = param_info.param.what;
  for (char& c : name)
    if (c == ' ') c = '_';
  return name;
});

// Parameters that are parts of one bucket would be written with all of it.
TEST(ScriptModuleFile, HoldsNoMoreThanTheTensors) {
  const ModelShape shape{.input = {4}, .outputs = 2};
  const ModelPlan plan = plan_model(shape, {.name = "softmax"});
  const at::Tensor bucket = at::zeros({1000000});
  const std::vector<at::Tensor> parameters{bucket.narrow(0, 16, 8).view({2, 4}), bucket.narrow(0, 32, 2)};
  EXPECT_LT(torchscript_file({.plan = plan, .shape = shape, .parameters = parameters, .buffers = {}}, {}).size(),
            std::size_t{20000});
}

TEST(ScriptModuleFile, EveryModelIsAmongThese) {
  for (const Model& model : model_table()) {
    bool there = false;
    for (const auto& list : {kSmall, kLarge})
      for (const Exported& exported : list) there = there || exported.options.name == model.name;
    EXPECT_TRUE(there) << model.name;
  }
}

}  // namespace

}  // namespace tutti::trainer::test
