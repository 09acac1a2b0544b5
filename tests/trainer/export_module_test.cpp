// Models of runs as TorchScript files: what is loaded scores as the run did.
#include <ATen/ATen.h>
#include <gtest/gtest.h>
#include <torch/csrc/jit/api/module.h>
#include <torch/csrc/jit/serialization/import.h>

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include <tutti/io/checkpoint.hpp>
#include <tutti/kernels/error.hpp>
#include <tutti/trainer/run/export.hpp>

#include "tests/trainer/training_runs.hpp"

namespace tutti::trainer::test {

namespace {

constexpr std::int64_t kTestSamples = 37;

class ExportedModules : public TrainingTest {
 protected:
  void at_root(const std::function<void()>& work) const {
    if (world_.rank() == 0) work();
    barrier(world_);
  }

  std::string file(const std::string& name) const { return (path() / name).string(); }

  std::string message_of(const ExportOptions& options) const {
    try {
      export_model(options);
    } catch (const Error& error) {
      return error.what();
    }
    return "no error";
  }

  /// Loss and right answers of a module over the test set.
  static Score score_of(torch::jit::Module module) {
    at::Tensor images = at::empty({kTestSamples, 1, 8, 8});
    at::Tensor labels = at::empty({kTestSamples}, at::kLong);
    for (std::int64_t id = 0; id < kTestSamples; ++id) {
      for (std::size_t pixel = 0; pixel < kPixels; ++pixel)
        images.data_ptr<float>()[static_cast<std::size_t>(id) * kPixels + pixel] =
            static_cast<float>(pixel_of(static_cast<std::uint64_t>(id), pixel));
      labels.data_ptr<std::int64_t>()[id] = label_of(static_cast<std::uint64_t>(id));
    }
    const at::NoGradGuard no_gradients;
    const at::Tensor output = module.forward({images.div(255).sub(0.3).div(0.25)}).toTensor();
    Score score;
    score.loss = at::cross_entropy_loss(output, labels, {}, at::Reduction::Sum).item<double>();
    score.correct = static_cast<std::uint64_t>(output.argmax(-1).eq(labels).sum().item<std::int64_t>());
    return score;
  }

  void expect_score(const std::string& name, const Score& expected) const {
    const Score found = score_of(torch::jit::load(file(name)));
    EXPECT_NEAR(found.loss, expected.loss, 2e-5);
    EXPECT_EQ(found.correct, expected.correct);
  }

  /// A module that counts its passes in training.
  void write_module(const std::string& name, std::int64_t hidden) const {
    torch::jit::Module module("Net");
    const auto waves = [](const std::vector<std::int64_t>& shape) {
      return at::arange(shape[0] * shape[1], at::kFloat).mul(0.7).sin().mul(0.3).reshape(shape).set_requires_grad(true);
    };
    module.register_parameter("w1", waves({hidden, 64}), false);
    module.register_parameter("w2", waves({3, hidden}), false);
    module.register_buffer("seen", at::zeros({}, at::kLong));
    module.register_attribute("training", c10::BoolType::get(), true);
    module.define(R"(
def forward(self, x):
    if self.training:
        self.seen.add_(1)
    return torch.matmul(torch.tanh(torch.matmul(x.flatten(1), self.w1.t())), self.w2.t())
)");
    module.save(file(name));
  }
};

TEST_F(ExportedModules, ScoreAsTheRunDid) {
  Config c = config("mlp", "run");
  c.model.batch_norm = true;
  c.model.dropout = 0.2;
  c.train.batch_size = 12;
  const auto trained = run(2, c);
  c.optimizer.ema_decay = 0.8;
  c.run.evaluate_with = "average";
  c.run.dir = file("averaged");
  const auto averaged = run(2, c);
  at_root([&] {
    export_model({.from = file("run"), .to = file("run.pt")});
    expect_score("run.pt", *trained->result.test);
    export_model({.from = file("averaged"), .to = file("averaged.pt"), .average = true});
    expect_score("averaged.pt", *averaged->result.test);
    torch::jit::ExtraFilesMap extra{{"tutti.json", ""}};
    torch::jit::load(file("averaged.pt"), at::kCPU, extra);
    const auto facts = nlohmann::json::parse(extra.at("tutti.json"));
    EXPECT_EQ(facts.at("values"), "average");
    EXPECT_EQ(facts.at("model"), "mlp");
    EXPECT_EQ(facts.at("data.std"), "0.25");
  });
}

TEST_F(ExportedModules, AModuleOfAFileComesBackWithWhatItLearned) {
  at_root([&] { write_module("net.pt", 6); });
  Config c = config("", "run");
  c.model = {.file = file("net.pt")};
  const auto trained = run(2, c);
  at_root([&] {
    export_model({.from = file("run"), .to = file("trained.pt")});
    expect_score("trained.pt", *trained->result.test);
    torch::jit::Module module = torch::jit::load(file("trained.pt"));
    EXPECT_FALSE(module.is_training());
    EXPECT_EQ(module.attr("seen").toTensor().item<std::int64_t>(), static_cast<std::int64_t>(trained->result.steps));
    EXPECT_FALSE(at::equal(module.attr("w1").toTensor(), torch::jit::load(file("net.pt")).attr("w1").toTensor()));
    EXPECT_LT(fs::file_size(file("trained.pt")), fs::file_size(file("net.pt")) + 2000);

    fs::rename(file("net.pt"), file("moved.pt"));
    expect_parts(message_of({.from = file("run"), .to = file("again.pt")}),
                 {"model.file = \"" + file("net.pt") + "\"", "there is no such file"});
    export_model({.from = file("run"), .to = file("again.pt"), .model_file = file("moved.pt")});
    expect_score("again.pt", *trained->result.test);
    write_module("wider.pt", 7);
    expect_parts(message_of({.from = file("run"), .to = file("x.pt"), .model_file = file("wider.pt")}),
                 {"step-0000000000",
                  "the model is another now: tensor w1 is f32 [6,64] in the checkpoint, f32 [7,64] in "
                  "the model"});
    EXPECT_FALSE(fs::exists(file("x.pt")));
  });
  // It is trained further from its own file.
  c.model.file = file("trained.pt");
  c.run.dir = file("further");
  const auto further = run(2, c);
  if (further) {
    EXPECT_LT(further->result.test->loss, trained->result.test->loss);
  }
}

TEST_F(ExportedModules, CheckpointsOfEarlierVersionsHaveNoShapeOfASample) {
  Config c = config("softmax", "run");
  c.train.max_steps = 1;
  run(1, c);
  at_root([&] {
    const fs::path newest = path() / "run" / "checkpoints" / "step-000000000001.h5";
    io::Checkpoint checkpoint = io::read_checkpoint(newest);
    auto description = nlohmann::json::parse(checkpoint.description);
    description.erase("task");
    checkpoint.description = description.dump();
    io::write_checkpoint(newest, checkpoint);
    expect_parts(message_of({.from = newest, .to = file("x.pt")}),
                 {newest.string(), "written by an earlier version", "exported as .safetensors"});
    EXPECT_EQ(message_of({.from = newest, .to = file("x.safetensors")}), "no error");
  });
  run(1, c, true);  // and can be resumed
}

}  // namespace

}  // namespace tutti::trainer::test
