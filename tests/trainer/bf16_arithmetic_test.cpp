// Arithmetic in bf16 over parameters of f32: what is in which type, and that no copy of a parameter outlives a pass.
#include <ATen/ATen.h>
#include <ATen/autocast_mode.h>
#include <gtest/gtest.h>

#include <array>
#include <string>
#include <vector>

#include <tutti/trainer/models/bf16_arithmetic.hpp>
#include <tutti/trainer/models/layers.hpp>
#include <tutti/trainer/models/model.hpp>
#include <tutti/trainer/run/bf16_support.hpp>

namespace tutti::trainer::test {

namespace {

using at::Tensor;

struct Small {
  const char* name;
  ModelOptions options;
  Extents input;
};

const Small kSmall[] = {
    {"softmax", {.name = "softmax"}, {7}},
    {"mlp", {.name = "mlp", .hidden = 6, .depth = 2, .batch_norm = true}, {7}},
    {"convnet", {.name = "convnet", .hidden = 5, .channels = 2}, {1, 8, 8}},
    {"lenet5", {.name = "lenet5"}, {1, 12, 12}},
    {"resnet18", {.name = "resnet18"}, {1, 8, 8}},
    {"gpt", {.name = "gpt", .layers = 1, .heads = 2, .width = 8}, {9}},
};

class ModelsInBf16 : public testing::TestWithParam<Small> {
 protected:
  ModelsInBf16() {
    at::manual_seed(5);
    const auto& [name, options, input] = GetParam();
    plan_ = plan_model({.input = input, .outputs = 256}, options);
    for (const ParameterInfo& info : plan_.parameters)
      parameters_.push_back((at::randn(info.shape) * 0.1 + info.initial_value).requires_grad_(true));
    for (const BufferInfo& info : plan_.buffers) buffers_.push_back(at::full(info.shape, info.initial_value));
    Extents shape = input;
    shape.insert(shape.begin(), 4);
    input_ = options.name == "gpt" ? at::randint(256, shape, at::kLong) : at::randn(shape);
  }
  ~ModelsInBf16() override { at::globalContext().setUserEnabledMkldnn(true); }

  Tensor output(bool in_bf16) const {
    const Bf16Arithmetic arithmetic(in_bf16);
    return plan_.forward(input_, {.parameters = parameters_, .buffers = buffers_, .training = true});
  }

  ModelPlan plan_;
  std::vector<Tensor> parameters_;
  std::vector<Tensor> buffers_;
  Tensor input_;
};

// Without oneDNN libtorch computes as on a processor that has no instructions for bf16.
TEST_P(ModelsInBf16, GiveAboutTheOutputsOfF32AndGradientsOfF32) {
  const Tensor exact = output(false);
  for (const bool instructions : {true, false}) {
    at::globalContext().setUserEnabledMkldnn(instructions);
    const Tensor rounded = output(true);
    EXPECT_EQ(rounded.scalar_type(), at::kBFloat16);
    const Tensor difference = rounded.to(at::kFloat) - exact;
    EXPECT_LT(difference.norm().item<float>(), 0.1F * exact.norm().item<float>());
    EXPECT_GT(difference.norm().item<float>(), 0.0F);
    rounded.to(at::kFloat).square().sum().backward();
    for (std::size_t i = 0; i < parameters_.size(); ++i) {
      ASSERT_TRUE(parameters_[i].grad().defined()) << plan_.parameters[i].name;
      EXPECT_EQ(parameters_[i].grad().scalar_type(), at::kFloat) << plan_.parameters[i].name;
      EXPECT_TRUE(parameters_[i].grad().isfinite().all().item<bool>()) << plan_.parameters[i].name;
    }
  }
}

TEST_P(ModelsInBf16, SeeParametersAsTheyAre) {
  const Tensor before = output(true);
  EXPECT_FALSE(at::autocast::is_cpu_enabled());
  {
    const at::NoGradGuard no_gradients;
    for (const Tensor& parameter : parameters_) parameter.mul_(-1.5);
  }
  EXPECT_FALSE(at::equal(output(true), before));
}

INSTANTIATE_TEST_SUITE_P(All, ModelsInBf16, testing::ValuesIn(kSmall),
                         [](const auto& row) { return std::string(row.param.name); });

TEST(Bf16, DropoutScalesByTheExactFactor) {
  ModelBuilder builder({4000});
  builder.stage("all");
  builder.dropout(0.3);
  const ModelPlan plan = builder.finish();
  const std::array<std::uint64_t, 1> ids{1};
  const Tensor y = plan.forward(at::full({1, 4000}, 0.7, at::kBFloat16), {.training = true, .ids = ids});
  EXPECT_EQ(y.scalar_type(), at::kBFloat16);
  EXPECT_EQ(y.max().item<float>(), 1.0F) << "1 / 0.7 is 1.4296875 in bf16: times 0.69921875, above 1";
}

TEST(Bf16, ProcessorsWithoutInstructionsAreNamed) {
  EXPECT_FALSE(bf16_warning(std::array{1, 1, 1}));
  EXPECT_EQ(
      bf16_warning(std::array{1, 0, 1}).value_or(""),
      "model.compute = \"bf16\" will be slow, and slower than f32: the processor of rank 1 has neither avx512_bf16 "
      "nor amx_bf16");
  EXPECT_NE(bf16_warning(std::array{0, 1, 0, 0}).value_or("").find("of rank 0 and of 2 other rank(s) has neither"),
            std::string::npos);
}

}  // namespace

}  // namespace tutti::trainer::test
