// Gradients of layers and losses in f64 against differences; masks of dropout; worked values.
#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <array>
#include <cmath>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include <tutti/kernels/error.hpp>
#include <tutti/kernels/philox.hpp>
#include <tutti/trainer/models/layers.hpp>
#include <tutti/trainer/models/loss.hpp>
#include <tutti/trainer/models/model.hpp>

namespace tutti::trainer::test {

namespace {

using at::Tensor;

/// Of no particular pattern, within -1 .. 1.
Tensor scattered(const Extents& shape, std::uint64_t stream) {
  Tensor tensor = at::empty(shape, at::kDouble);
  auto* values = tensor.data_ptr<double>();
  for (std::int64_t i = 0; i < tensor.numel(); ++i)
    values[i] = 2.0 * random_uniform(5, stream, static_cast<std::uint64_t>(i)) - 1.0;
  return tensor;
}

/// Up to five elements of every tensor: d f / d element by autograd against (f(+h) - f(-h)) / 2h.
void expect_gradients(const std::vector<Tensor>& tensors, const std::function<Tensor()>& f) {
  for (const Tensor& tensor : tensors) tensor.requires_grad_(true);
  f().backward();
  for (std::size_t t = 0; t < tensors.size(); ++t) {
    const Tensor& tensor = tensors[t];
    ASSERT_TRUE(tensor.grad().defined()) << "tensor " << t;
    const Tensor gradient = tensor.grad().contiguous();
    const at::NoGradGuard no_gradients;
    for (std::int64_t k = 0; k < std::min<std::int64_t>(5, tensor.numel()); ++k) {
      const std::int64_t i = k * (tensor.numel() - 1) / 4;
      if (i >= tensor.numel()) break;
      constexpr double kStep = 1e-6;
      double& value = tensor.data_ptr<double>()[i];
      const double before = value;
      value = before + kStep;
      const double up = f().item<double>();
      value = before - kStep;
      const double down = f().item<double>();
      value = before;
      const double expected = (up - down) / (2.0 * kStep);
      EXPECT_NEAR(gradient.data_ptr<double>()[i], expected, 1e-7 * (1.0 + std::abs(expected)))
          << "tensor " << t << "[" << i << "]";
    }
  }
}

struct LayerCase {
  const char* name;
  Extents input;
  std::function<void(ModelBuilder&)> build;
};

class Layers : public testing::TestWithParam<LayerCase> {};

TEST_P(Layers, GradientsAreThoseOfDifferences) {
  ModelBuilder builder(GetParam().input);
  builder.stage("all");
  GetParam().build(builder);
  const ModelPlan plan = builder.finish();
  std::vector<Tensor> tensors;
  for (std::size_t i = 0; i < plan.parameters.size(); ++i) tensors.push_back(scattered(plan.parameters[i].shape, i));
  const std::vector<Tensor> parameters = tensors;
  std::vector<Tensor> buffers;
  for (const BufferInfo& buffer : plan.buffers)
    buffers.push_back(at::full(buffer.shape, buffer.initial_value, at::kDouble));
  Extents shape = GetParam().input;
  shape.insert(shape.begin(), 3);
  const Tensor input = scattered(shape, 100);
  tensors.push_back(input);
  const std::array<std::uint64_t, 3> ids{4, 9, 2};
  Tensor weights;
  for (const bool training : {true, false}) {
    for (const Tensor& tensor : tensors) tensor.mutable_grad() = Tensor();
    expect_gradients(tensors, [&] {
      const Tensor output = plan.forward(
          input,
          {.parameters = parameters, .buffers = buffers, .training = training, .seed = 1, .draw = 2, .ids = ids});
      Extents expected = plan.stages.back().output;
      expected.insert(expected.begin(), 3);
      EXPECT_EQ(output.sizes().vec(), expected);
      if (!weights.defined()) weights = scattered(output.sizes().vec(), 101);
      return output.mul(weights).sum();
    });
  }
}

const LayerCase kLayers[] = {
    {"dense", {5}, [](ModelBuilder& m) { m.dense("a", 4, Start::relu); }},
    {"convolution",
     {2, 5, 6},
     [](ModelBuilder& m) { m.convolution("a", {.channels = 3, .kernel = 3, .stride = 2, .padding = 1}, Start::relu); }},
    {"pointwise",
     {4, 3, 3},
     [](ModelBuilder& m) { m.convolution("a", {.channels = 2, .kernel = 1, .bias = false}, Start::fan_out); }},
    {"batch_norm", {2, 3, 3}, [](ModelBuilder& m) { m.batch_norm("a"); }},
    {"batch_norm_of_rows", {4}, [](ModelBuilder& m) { m.batch_norm("a"); }},
    {"max_pool", {2, 5, 5}, [](ModelBuilder& m) { m.max_pool(3, 2, 1); }},
    {"average_pool", {2, 4, 4}, [](ModelBuilder& m) { m.average_pool(1); }},
    {"relu", {7}, [](ModelBuilder& m) { m.relu(); }},
    {"dropout", {7}, [](ModelBuilder& m) { m.dropout(0.4); }},
    {"residual",
     {2, 4, 4},
     [](ModelBuilder& m) {
       m.residual(
           [&] {
             m.convolution("a", {.channels = 3, .stride = 2, .padding = 1, .bias = false}, Start::fan_out);
             m.batch_norm("an");
             m.relu();
             m.convolution("b", {.channels = 3, .padding = 1, .bias = false}, Start::fan_out);
             m.batch_norm("bn", 0.0);
           },
           [&] { m.convolution("c", {.channels = 3, .kernel = 1, .stride = 2, .bias = false}, Start::fan_out); });
     }},
};

INSTANTIATE_TEST_SUITE_P(All, Layers, testing::ValuesIn(kLayers),
                         [](const auto& row) { return std::string(row.param.name); });

TEST(Gpt, GradientsAreThoseOfDifferences) {
  const ModelPlan plan =
      plan_model({.input = {5}, .outputs = 256}, {.name = "gpt", .dropout = 0.2, .layers = 2, .heads = 2, .width = 6});
  std::vector<Tensor> parameters;
  for (std::size_t i = 0; i < plan.parameters.size(); ++i)
    parameters.push_back(scattered(plan.parameters[i].shape, i).mul_(0.5));
  const Tensor bytes = at::arange(10, at::kLong).mul(37).remainder(256).reshape({2, 5});
  const std::array<std::uint64_t, 2> ids{4, 9};
  const Tensor weights = scattered({2, 5, 256}, 101);
  expect_gradients(parameters, [&] {
    return plan.forward(bytes, {.parameters = parameters, .training = true, .ids = ids}).mul(weights).sum();
  });
}

TEST(Gpt, APositionSeesNothingBehindIt) {
  const ModelPlan plan =
      plan_model({.input = {6}, .outputs = 256}, {.name = "gpt", .layers = 2, .heads = 2, .width = 8});
  std::vector<Tensor> parameters;
  for (std::size_t i = 0; i < plan.parameters.size(); ++i) parameters.push_back(scattered(plan.parameters[i].shape, i));
  const Tensor bytes = at::arange(6, at::kLong).mul(31).reshape({1, 6});
  Tensor other = bytes.clone();
  other[0][3] = 200;
  const Tensor a = plan.forward(bytes, {.parameters = parameters});
  const Tensor b = plan.forward(other, {.parameters = parameters});
  EXPECT_TRUE(at::equal(a.narrow(1, 0, 3), b.narrow(1, 0, 3)));
  for (std::int64_t position = 3; position < 6; ++position)
    EXPECT_FALSE(at::allclose(a.select(1, position), b.select(1, position))) << position;
}

TEST(Losses, GradientsAreThoseOfDifferences) {
  const Tensor classes = at::arange(4, at::kLong);
  const Tensor numbers = scattered({4, 5}, 2).mul_(3.0);
  for (const std::string_view name : loss_names().subspan(1)) {
    SCOPED_TRACE(name);
    const ModelOptions options{.loss = std::string(name), .label_smoothing = 0.1, .huber_delta = 0.7};
    const Loss& loss = find_loss(options);
    const Tensor output = scattered({4, 5}, 1);
    expect_gradients({output}, [&] {
      return loss.sum(output, loss.of_classes ? classes : loss.yes_or_no ? numbers.sigmoid() : numbers, options);
    });
  }
}

TEST(Losses, WorkedValues) {
  const auto value = [](const ModelOptions& options, const Tensor& output, const Tensor& target) {
    return find_loss(options).sum(output, target, options).item<double>();
  };
  const Tensor logits = at::tensor({2.0, 1.0, 0.0}, at::kDouble).reshape({1, 3});
  const Tensor label = at::zeros({1}, at::kLong);
  EXPECT_NEAR(value({.loss = "cross_entropy"}, logits, label), 0.407605964444, 1e-12);
  EXPECT_NEAR(value({.loss = "cross_entropy", .label_smoothing = 0.1}, logits, label), 0.507605964444, 1e-12);
  const Tensor output = at::tensor({1.0, -2.0, 0.5, 3.0}, at::kDouble).reshape({2, 2});
  const Tensor target = at::tensor({0.0, 1.0, 0.5, 1.0}, at::kDouble).reshape({2, 2});
  EXPECT_NEAR(value({.loss = "mse"}, output, target), (1.0 + 9.0) / 2 + 4.0 / 2, 1e-12);
  EXPECT_NEAR(value({.loss = "huber", .huber_delta = 2.0}, output, target), (0.5 + 2.0 * (3.0 - 1.0)) / 2 + 2.0 / 2,
              1e-12);
  const auto entropy = [](double x, double p) { return std::log1p(std::exp(x)) - p * x; };
  EXPECT_NEAR(value({.loss = "bce"}, output, target),
              (entropy(1.0, 0.0) + entropy(-2.0, 1.0) + entropy(0.5, 0.5) + entropy(3.0, 1.0)) / 2, 1e-12);
  // Of bytes: the mean over a sample's positions.
  const Tensor two = at::stack({logits[0], logits[0]}).unsqueeze(0);
  EXPECT_NEAR(value({.loss = "cross_entropy"}, two, at::zeros({1, 2}, at::kLong)), 0.407605964444, 1e-12);
}

TEST(BatchNorm, RunningStatisticsAreThoseOfThePaper) {
  ModelBuilder builder({1});
  builder.stage("all");
  builder.batch_norm("norm");
  const ModelPlan plan = builder.finish();
  const std::vector<Tensor> parameters{at::ones({1}, at::kDouble), at::zeros({1}, at::kDouble)};
  const std::vector<Tensor> buffers{at::zeros({1}, at::kDouble), at::ones({1}, at::kDouble)};
  const auto pass = [&](const std::vector<double>& values, bool training) {
    const Tensor x = at::tensor(values, at::kDouble).unsqueeze(1);
    return plan.forward(x, {.parameters = parameters, .buffers = buffers, .training = training});
  };
  pass({1, 2, 4}, true);
  EXPECT_NEAR(buffers[0].item<double>(), 0.233333333333, 1e-11);
  EXPECT_NEAR(buffers[1].item<double>(), 1.13333333333, 1e-11);
  pass({10, 12}, true);
  EXPECT_NEAR(buffers[0].item<double>(), 1.31, 1e-11);
  EXPECT_NEAR(buffers[1].item<double>(), 1.22, 1e-11);
  pass({0, 0, 3}, true);
  EXPECT_NEAR(buffers[0].item<double>(), 1.279, 1e-11);
  EXPECT_NEAR(buffers[1].item<double>(), 1.398, 1e-11);
  const Tensor y = pass({5}, false);
  EXPECT_NEAR(y.item<double>(), (5 - 1.279) / std::sqrt(1.398 + 1e-5), 1e-11);
  EXPECT_NEAR(buffers[0].item<double>(), 1.279, 1e-11) << "evaluation changes nothing";
  EXPECT_THROW(pass({5}, true), InvalidArgument);
}

// Far from 0 in f32, E[x^2] - E[x]^2 has no digit left.
TEST(BatchNorm, VariancesDoNotCancel) {
  ModelBuilder builder({1});
  builder.stage("all");
  builder.batch_norm("norm");
  const ModelPlan plan = builder.finish();
  const std::vector<Tensor> parameters{at::ones({1}), at::zeros({1})};
  const std::vector<Tensor> buffers{at::zeros({1}), at::ones({1})};
  const Tensor x = at::tensor({10000.0F, 10001.0F, 10002.0F, 10003.0F}).unsqueeze(1);
  const Tensor y = plan.forward(x, {.parameters = parameters, .buffers = buffers, .training = true});
  EXPECT_NEAR(y[0].item<float>(), -1.5 / std::sqrt(1.25), 1e-3);
  EXPECT_NEAR(y[3].item<float>(), 1.5 / std::sqrt(1.25), 1e-3);
}

TEST(Dropout, MasksAreOfSeedStepSampleAndLayer) {
  const Tensor like = at::empty({3, 2, 5}, at::kDouble);
  const std::array<std::uint64_t, 3> ids{7, 1, 30};
  const Pass pass{.seed = 5, .draw = 9, .ids = ids};
  const Tensor mask = dropout_mask(like, 0.25, 2, pass);
  // The same samples in another order, and alone.
  const std::array<std::uint64_t, 3> turned{30, 7, 1};
  EXPECT_TRUE(at::equal(dropout_mask(like, 0.25, 2, {.seed = 5, .draw = 9, .ids = turned})[0], mask[2]));
  const std::array<std::uint64_t, 1> one{1};
  EXPECT_TRUE(at::equal(dropout_mask(at::empty({1, 2, 5}, at::kDouble), 0.25, 2, {.seed = 5, .draw = 9, .ids = one})[0],
                        mask[1]));
  EXPECT_FALSE(at::equal(dropout_mask(like, 0.25, 3, pass), mask));
  EXPECT_FALSE(at::equal(dropout_mask(like, 0.25, 2, {.seed = 6, .draw = 9, .ids = ids}), mask));
  EXPECT_FALSE(at::equal(dropout_mask(like, 0.25, 2, {.seed = 5, .draw = 8, .ids = ids}), mask));
  EXPECT_FALSE(at::equal(mask[0], mask[1]));
  EXPECT_THROW(dropout_mask(like, 0.25, 2, {.seed = 5, .draw = 9}), InvalidArgument);
  const Tensor wide = dropout_mask(at::empty({3, 4000}, at::kFloat), 0.25, 0, pass);
  EXPECT_NEAR(wide.gt(0).to(at::kDouble).mean().item<double>(), 0.75, 0.02);
  EXPECT_EQ(wide.max().item<float>(), 1.33333337307F);
  EXPECT_EQ(wide.min().item<float>(), 0.0F);
}

}  // namespace

}  // namespace tutti::trainer::test
