// Models of a file: modules made here from source text, without Python, and trained.
#include <ATen/ATen.h>
#include <gtest/gtest.h>
#include <mpi.h>
#include <torch/csrc/jit/api/module.h>
#include <torch/csrc/jit/runtime/graph_executor.h>

#include <array>
#include <cmath>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include <tutti/collectives/collectives.hpp>
#include <tutti/io/dataset_writer.hpp>
#include <tutti/trainer/models/model.hpp>
#include <tutti/trainer/run/agreed_error.hpp>
#include <tutti/trainer/run/training.hpp>

#include "tests/support/temporary_folder.hpp"

namespace tutti::trainer::test {

namespace {

namespace fs = std::filesystem;
using torch::jit::Module;

at::Tensor waves(const Extents& shape, double scale) {
  std::int64_t count = 1;
  for (const auto extent : shape) count *= extent;
  return at::arange(count, at::kFloat).mul(0.7).sin().mul(scale).reshape(shape);
}

at::Tensor trainable(const Extents& shape, double scale) { return waves(shape, scale).set_requires_grad(true); }

class TorchScript : public testing::Test {
 protected:
  static constexpr std::uint64_t kSamples = 24;

  TorchScript() {
    if (world_.rank() == 0) folder_.emplace();
    root_ = broadcast_text(world_, folder_ ? folder_->path().string() : "");
    if (world_.rank() == 0) write_data();
    config_.data.train = config_.data.test = path("data");
    config_.data.input = "x";
    config_.data.scale = 1.0;
    config_.model.file = path("net.pt");
    config_.train.batch_size = 7;
    config_.train.epochs = 2;
    config_.train.threads = 1;
    config_.train.timeout_s = 30;
    config_.run.progress = "none";
    config_.run.dir = path("run");
    barrier(world_);
  }
  void TearDown() override { barrier(world_); }

  void write_data() const {
    io::DatasetWriter writer(path("data"), {.name = "points",
                                            .fields = {{"x", DType::f32, {4}},
                                                       {"kind", DType::i64, {}},
                                                       {"y", DType::f32, {2}},
                                                       {"label", DType::i64, {}}},
                                            .samples = kSamples,
                                            .classes = 3});
    std::vector<float> x;
    std::vector<float> y;
    std::vector<std::int64_t> kinds;
    std::vector<std::int64_t> labels;
    for (std::uint64_t id = 0; id < kSamples; ++id) {
      const auto value = static_cast<float>(id);
      for (const float f : {0.3F, 0.7F, 1.1F, 1.9F}) x.push_back(std::sin(f * value));
      y.insert(y.end(), {x[4 * id] - x[4 * id + 1], 0.5F * x[4 * id + 2] + 1.0F});
      kinds.push_back(static_cast<std::int64_t>(id % 5));
      labels.push_back(label_of(x[4 * id], x[4 * id + 1]));
    }
    const std::array<std::span<const std::byte>, 4> data{std::as_bytes(std::span(x)), std::as_bytes(std::span(kinds)),
                                                         std::as_bytes(std::span(y)), std::as_bytes(std::span(labels))};
    writer.append(kSamples, data);
    writer.finish();
  }

  static std::int64_t label_of(float a, float b) { return a > b ? 0 : b > 0.5F ? 1 : 2; }

  std::string path(const std::string& name) const { return (root_ / name).string(); }

  /// As net.pt, which all ranks see then, and no rank is still reading before.
  void save(const Module& module) const {
    barrier(world_);
    if (world_.rank() == 0) module.save(path("net.pt"));
    barrier(world_);
  }

  /// Two dense layers with a tanh between, as `forward` says.
  Module perceptron(const std::string& forward, std::int64_t outputs = 3) const {
    Module module("Net");
    module.register_parameter("w1", trainable({5, 4}, 0.5), false);
    module.register_parameter("w2", trainable({outputs, 5}, 0.5), false);
    module.register_buffer("seen", at::zeros({}, at::kLong));
    module.register_attribute("training", c10::BoolType::get(), true);
    module.define(forward);
    return module;
  }

  static constexpr const char* kForward = R"(
def forward(self, x):
    if self.training:
        self.seen.add_(1)
    h = torch.tanh(torch.matmul(x, self.w1.t()))
    return torch.matmul(h * torch.sigmoid(h) + h, self.w2.t())
)";

  TrainingResult run(const std::string& name) {
    config_.run.dir = path(name);
    return train(world_, config_);
  }

  /// What is said of the file, and that no folder was made.
  std::string refusal() {
    std::string message = "no error";
    try {
      train(world_, config_);
    } catch (const AgreedError& error) {
      message = error.what();
    }
    EXPECT_FALSE(fs::exists(config_.run.dir)) << message;
    EXPECT_EQ(message.find('\n'), std::string::npos) << message;
    return message;
  }

  void expect_refusal(const std::string& part) {
    const std::string message = refusal();
    EXPECT_NE(message.find(part), std::string::npos) << message;
    EXPECT_NE(message.find("net.pt"), std::string::npos) << message;
  }

  const Communicator world_{MPI_COMM_WORLD};
  std::optional<tutti::test::TemporaryFolder> folder_;
  fs::path root_;
  Config config_;
};

TEST_F(TorchScript, TrainsTheSameTwiceAndLearns) {
  save(perceptron(kForward));
  const TrainingResult first = run("first");
  const TrainingResult second = run("second");
  EXPECT_EQ(first.parameter_hash, second.parameter_hash);
  EXPECT_EQ(first.test->samples, kSamples);
  config_.train.epochs = 40;
  config_.optimizer.learning_rate = 0.1;
  EXPECT_LT(run("longer").test->loss, 0.8 * first.test->loss);
}

TEST_F(TorchScript, TwoRanksMakeTheStepsOfOne) {
  save(perceptron(kForward));
  config_.model.dtype = "f64";
  std::vector<double> losses[2];
  const auto alone = world_.split(world_.rank());
  for (const bool together : {false, true}) {
    config_.run.dir = path(together ? "together" : "alone-" + std::to_string(world_.rank()));
    train(together ? world_ : *alone, config_,
          {.on_step = [&](const StepReport& step) { losses[together ? 1 : 0].push_back(step.loss); }});
  }
  ASSERT_EQ(losses[0].size(), 8U);
  ASSERT_EQ(losses[1].size(), 8U);
  for (std::size_t step = 0; step < 8; ++step) EXPECT_NEAR(losses[0][step], losses[1][step], 1e-9) << step;
}

TEST_F(TorchScript, TrainsInBf16) {
  save(perceptron(kForward));
  config_.train.epochs = 15;
  config_.optimizer.learning_rate = 0.1;
  const TrainingResult exact = run("exact");
  config_.model.compute = "bf16";
  const TrainingResult rounded = run("rounded");
  EXPECT_NE(rounded.parameter_hash, exact.parameter_hash);
  EXPECT_NEAR(rounded.test->mean_loss(), exact.test->mean_loss(), 0.05);
  EXPECT_EQ(run("again").parameter_hash, rounded.parameter_hash);
}

TEST_F(TorchScript, WhatCannotBeComputedInBf16IsRefused) {
  Module module("Net");
  module.register_parameter("w", trainable({3, 4}, 0.5), false);
  module.register_parameter("scale", trainable({3}, 1.0), false);
  module.define(R"(
def forward(self, x):
    return torch.layer_norm(torch.matmul(x, self.w.t()), [3], self.scale)
)");
  save(module);
  config_.model.compute = "bf16";
  expect_refusal(
      "expected scalar type BFloat16 but found Float (on two samples of zeros, with "
      "model.compute = \"bf16\")");
  config_.model.compute = "same";
  EXPECT_GT(run("run").test->samples, 0U);
}

// Statistics of a file's module are buffers of f32, its counts are not.
TEST_F(TorchScript, TwoRanksHaveTheBitsOfOneWhereRanksDoNotMatter) {
  Module module("Net");
  module.register_parameter("w1", trainable({5, 4}, 0.5), false);
  module.register_parameter("w2", trainable({3, 5}, 0.5), false);
  module.register_buffer("seen", at::zeros({}, at::kLong));
  module.register_buffer("mean", at::zeros({5}));
  module.register_attribute("training", c10::BoolType::get(), true);
  module.define(R"(
def forward(self, x):
    h = torch.matmul(x, self.w1.t())
    if self.training:
        self.seen.add_(1)
        self.mean.mul_(0.9).add_(h.detach().mean(0), alpha=0.1)
    h = torch.tanh(h - self.mean)
    return torch.matmul(h, self.w2.t())
)");
  save(module);
  config_.numerics = {.reproducible = "ranks", .shards = 3};
  TrainingResult results[2];
  const auto alone = world_.split(world_.rank());
  for (const bool together : {false, true}) {
    config_.run.dir = path(together ? "together" : "alone-" + std::to_string(world_.rank()));
    results[together ? 1 : 0] = train(together ? world_ : *alone, config_);
  }
  EXPECT_EQ(results[0].parameter_hash, results[1].parameter_hash);
  EXPECT_EQ(results[0].test->loss, results[1].test->loss);
}

TEST_F(TorchScript, AFailureInTheMiddleIsOneLine) {
  save(perceptron(R"(
def forward(self, x):
    if self.training:
        return torch.matmul(x, self.w2.t())
    return torch.matmul(torch.matmul(x, self.w1.t()), self.w2.t())
)"));
  std::string message;
  try {
    run("run");
  } catch (const AgreedError& error) {
    message = error.what();
  }
  EXPECT_NE(message.find("net.pt\": forward fails: "), std::string::npos) << message;
  EXPECT_NE(message.find("shapes cannot be multiplied"), std::string::npos) << message;
  EXPECT_EQ(message.find('\n'), std::string::npos) << message;
}

TEST_F(TorchScript, StopsAndGoesOnWithTheSameBits) {
  save(perceptron(kForward));
  const TrainingResult whole = run("whole");
  config_.train.max_steps = 3;
  run("parts");
  config_.train.max_steps = 0;
  EXPECT_EQ(train(world_, config_, {.resume = true}).parameter_hash, whole.parameter_hash);
}

TEST_F(TorchScript, StepsLikeTorch) {
  Module module = perceptron(kForward);
  save(module);
  config_.model.dtype = "f64";
  config_.train.batch_size = kSamples;
  config_.train.epochs = 1;
  config_.optimizer = {.learning_rate = 0.2, .momentum = 0.0};
  std::vector<double> losses;
  train(world_, config_, {.on_step = [&](const StepReport& report) { losses.push_back(report.loss); }});
  at::Tensor x = at::empty({kSamples, 4}, at::kDouble);
  at::Tensor labels = at::empty({kSamples}, at::kLong);
  for (std::int64_t id = 0; id < x.size(0); ++id)
    for (std::int64_t i = 0; i < 4; ++i)
      x[id][i] = std::sin(std::array{0.3F, 0.7F, 1.1F, 1.9F}[static_cast<std::size_t>(i)] * static_cast<float>(id));
  for (std::int64_t id = 0; id < x.size(0); ++id)
    labels[id] = label_of(static_cast<float>(x[id][0].item<double>()), static_cast<float>(x[id][1].item<double>()));
  const at::Tensor h = at::tanh(at::matmul(x, waves({5, 4}, 0.5).to(at::kDouble).t()));
  const at::Tensor output = at::matmul(h * at::sigmoid(h) + h, waves({3, 5}, 0.5).to(at::kDouble).t());
  const double expected = at::cross_entropy_loss(output, labels).item<double>();
  ASSERT_EQ(losses.size(), 1U);
  EXPECT_NEAR(losses[0], expected, 1e-6);  // sin() of floats rounds otherwise here and there
}

// libtorch's optimised plans, which come into use after the first call, have formulas of their own.
TEST_F(TorchScript, EveryCallGivesTheSameGradient) {
  Module module("Net");
  module.register_parameter("w1", trainable({64, 32}, 0.5), false);
  module.register_parameter("w2", trainable({3, 64}, 0.5), false);
  module.define(R"(
def forward(self, x):
    h = torch.matmul(x, self.w1.t())
    return torch.matmul(torch.tanh(h) * torch.sigmoid(h) + h, self.w2.t())
)");
  save(module);
  const ModelPlan plan = plan_model({.input = {32}, .outputs = 3}, config_.model);
  EXPECT_FALSE(torch::jit::getProfilingMode());
  const std::vector<at::Tensor> inputs{waves({8, 32}, 1.0)};
  at::Tensor first;
  for (int call = 0; call < 4; ++call) {
    for (at::Tensor parameter : plan.own_parameters) parameter.mutable_grad() = at::Tensor();
    plan.forward({}, {.training = true, .inputs = inputs}).square().sum().backward();
    const at::Tensor gradient = plan.own_parameters[0].grad().clone();
    if (call == 0) first = gradient;
    EXPECT_TRUE(at::equal(first, gradient)) << "call " << call + 1;
  }
}

TEST_F(TorchScript, BuffersAreThoseOfTheModule) {
  save(perceptron(kForward));
  const ModelPlan plan = plan_model({.input = {4}, .outputs = 3}, config_.model);
  ASSERT_EQ(plan.parameters.size(), 2U);
  EXPECT_EQ(plan.parameters[0].name, "w1");
  EXPECT_EQ(plan.parameters[1].shape, (Extents{3, 5}));
  ASSERT_EQ(plan.buffers.size(), 1U);
  EXPECT_EQ(plan.own_buffers[0].item<std::int64_t>(), 0) << "the trial run trains nothing";
  EXPECT_EQ(plan.own_buffers[0].scalar_type(), at::kLong);
}

TEST_F(TorchScript, TakesSeveralInputsAndNumbersAsTargets) {
  Module module("Net");
  module.register_parameter("w", trainable({2, 4}, 0.5), false);
  module.register_parameter("table", trainable({5, 2}, 0.1), false);
  module.define(R"(
def forward(self, x, kind):
    return torch.matmul(x, self.w.t()) + torch.embedding(self.table, kind)
)");
  save(module);
  config_.data.input = "x, kind";
  config_.data.integers = "kind";
  config_.data.target = "y";
  config_.model.loss = "mse";
  config_.train.epochs = 60;
  const TrainingResult result = run("run");
  EXPECT_GT(result.test->r2(), 0.99);
  EXPECT_LT(result.test->rmse(), 0.05);
  EXPECT_FALSE(result.test->of_classes());
}

TEST_F(TorchScript, TiedWeightsAreOneParameter) {
  Module module("Net");
  const at::Tensor shared = trainable({3, 4}, 0.5);
  module.register_parameter("w", shared, false);
  module.register_parameter("again", shared, false);
  module.define(R"(
def forward(self, x):
    return torch.matmul(torch.matmul(torch.matmul(x, self.w.t()), self.again), self.w.t())
)");
  save(module);
  const ModelPlan plan = plan_model({.input = {4}, .outputs = 3}, config_.model);
  EXPECT_EQ(plan.parameters.size(), 1U);
  const TrainingResult first = run("first");
  EXPECT_EQ(first.parameter_hash, run("second").parameter_hash);
  config_.train.epochs = 30;
  EXPECT_LT(run("longer").test->loss, first.test->loss);  // both uses see the updates
}

TEST_F(TorchScript, WhatCannotBeTrainedIsRefusedBeforeAFolderIsMade) {
  expect_refusal("there is no such file");
  barrier(world_);
  if (world_.rank() == 0) std::ofstream(path("net.pt")) << "no zip";
  barrier(world_);
  expect_refusal("it is not a TorchScript module that can be loaded");
  const auto write = [&](const std::string& forward, std::int64_t outputs = 3) { save(perceptron(forward, outputs)); };
  write(kForward, 4);
  expect_refusal("forward gives {2, 4} of type Float for 2 samples, not {2, 3} of Float");
  write("def forward(self, x, y):\n    return torch.matmul(x, self.w1.t()) + y\n");
  expect_refusal("forward takes 2 input(s), data.input names 1");
  write("def forward(self, x: int):\n    return self.w1 * x\n");
  expect_refusal("input x of forward is a int, not a Tensor");
  write(
      "def forward(self, x):\n    return torch.matmul(torch.dropout(torch.matmul(x, self.w1.t()), 0.5, self.training), "
      "self.w2.t())\n");
  expect_refusal("operator aten::dropout draws random numbers");
  write(
      "def forward(self, x):\n    return torch.matmul(torch.matmul(x, self.w1.t()) + torch.rand([5]), self.w2.t())\n");
  expect_refusal("operator aten::rand draws random numbers");
  write("def forward(self, x):\n    return torch.matmul(x, self.w2.t())\n");
  expect_refusal("forward fails: ");
  write("def forward(self, x):\n    return torch.matmul(x, self.w1.t()), x\n");
  expect_refusal("forward does not give one Tensor");
  Module none("Net");
  none.define("def forward(self, x):\n    return x\n");
  save(none);
  expect_refusal("the module has no parameters");
}

}  // namespace

}  // namespace tutti::trainer::test
