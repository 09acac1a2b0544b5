// Whole runs of models that have more than parameters, and of targets that are not classes.
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include <tutti/io/checkpoint.hpp>
#include <tutti/io/dataset_writer.hpp>
#include <tutti/kernels/philox.hpp>
#include <tutti/kernels/text.hpp>

#include "tests/trainer/training_runs.hpp"

namespace tutti::trainer::test {

namespace {

class ModelRuns : public TrainingTest {
 protected:
  static constexpr std::uint64_t kPoints = 40;

  void SetUp() override {
    TrainingTest::SetUp();
    if (world_.rank() == 0) {
      write_points("points", false);
      write_points("constant", true);
      write_text("bytes");
    }
    barrier(world_);
  }

  /// y = (2a - b, a + 3c), or 0.1 throughout; `sure` is a probability.
  void write_points(const std::string& name, bool constant) const {
    std::vector<float> x;
    std::vector<float> y;
    std::vector<float> sure;
    for (std::uint64_t id = 0; id < kPoints; ++id) {
      for (std::uint64_t i = 0; i < 3; ++i) x.push_back(static_cast<float>(random_uniform(1, id, i)));
      const float* its = &x[3 * id];
      y.insert(y.end(), {constant ? 0.1F : 2 * its[0] - its[1], constant ? 0.1F : its[0] + 3 * its[2]});
      sure.push_back(its[0] > its[1] ? 1.0F : 0.0F);
    }
    io::DatasetWriter writer(path() / name,
                             {.name = name,
                              .fields = {{"x", DType::f32, {3}}, {"y", DType::f32, {2}}, {"sure", DType::f32, {}}},
                              .samples = kPoints});
    const std::array<std::span<const std::byte>, 3> data{std::as_bytes(std::span(x)), std::as_bytes(std::span(y)),
                                                         std::as_bytes(std::span(sure))};
    writer.append(kPoints, data);
    writer.finish();
  }

  void write_text(const std::string& name) const {
    std::string text;
    while (text.size() < kPoints * 9) text += "to be or not to be ";
    io::DatasetWriter writer(path() / name, {.name = name, .fields = {{"text", DType::u8, {9}}}, .samples = kPoints});
    const std::array<std::span<const std::byte>, 1> data{std::as_bytes(std::span(text)).first(kPoints * 9)};
    writer.append(kPoints, data);
    writer.finish();
  }

  Config on_points(const std::string& set, const std::string& run) const {
    Config c = config("linear", run);
    c.data.train = c.data.test = (path() / set).string();
    c.data.input = "x";
    c.data.target = "y";
    c.data.scale = 1.0;
    c.data.mean = {0.0};
    c.data.std = {1.0};
    c.train.batch_size = 8;
    return c;
  }

  nlohmann::json result(const std::string& run) const {
    return nlohmann::json::parse(std::ifstream(path() / run / "result.json"));
  }
};

TEST_F(ModelRuns, StatisticsAreInCheckpointsAndGoOn) {
  Config c = config("mlp", "whole");
  c.model.batch_norm = true;
  c.model.dropout = 0.2;
  c.train.batch_size = 12;
  for (const int ranks : {1, 2}) {
    c.train.max_steps = 0;
    c.run.dir = (path() / text("whole-", ranks)).string();
    const auto whole = run(ranks, c);
    c.run.dir = (path() / text("parts-", ranks)).string();
    c.train.max_steps = 5;
    run(ranks, c);
    c.train.max_steps = 0;
    const auto parts = run(ranks, c, true);
    if (whole) {
      EXPECT_EQ(whole->result.parameter_hash, parts->result.parameter_hash) << ranks;
      EXPECT_EQ(whole->result.test->loss, parts->result.test->loss) << "running statistics count here";
      EXPECT_EQ(whole->result.test->correct, parts->result.test->correct);
    }
  }
  if (world_.rank() != 0) return;
  const io::Checkpoint last =
      io::read_checkpoint(path() / "whole-2" / "checkpoints" / text("step-0000000000", 18, ".h5"));
  const auto& mean = last.tensor("buffers/hidden.norm.running_mean");
  ASSERT_EQ(mean.shape, (std::vector<std::size_t>{10}));
  double sum = 0.0;
  for (std::size_t i = 0; i < 10; ++i) {
    float value = 0.0F;
    std::memcpy(&value, mean.bytes.data() + i * sizeof(float), sizeof(float));
    sum += std::abs(value);
  }
  EXPECT_GT(sum, 0.1) << "they have moved";
}

TEST_F(ModelRuns, SharedStatisticsMakeTheRunOfOneRankAndGoOn) {
  Config c = config("mlp", "shared");
  c.model.batch_norm = true;
  c.model.batch_norm_statistics = "synchronised";
  c.model.dtype = "f64";
  c.train.batch_size = 9;  // 101 samples: two in the last batch, and a rank without
  c.train.accumulate = 2;
  c.train.epochs = 1;
  std::optional<Outcome> alone;
  std::optional<Outcome> together;
  for (const int ranks : {1, 3}) {
    c.run.dir = (path() / text("shared-", ranks)).string();
    (ranks == 1 ? alone : together) = run(ranks, c);
  }
  c.run.dir = (path() / "shared-parts").string();
  c.train.max_steps = 4;
  run(3, c);
  c.train.max_steps = 0;
  const auto parts = run(3, c, true);
  EXPECT_EQ(together->result.parameter_hash, parts->result.parameter_hash);
  EXPECT_EQ(together->result.test->loss, parts->result.test->loss);
  if (!alone) return;
  ASSERT_EQ(alone->losses.size(), together->losses.size());
  for (std::size_t i = 0; i < alone->losses.size(); ++i) EXPECT_NEAR(alone->losses[i], together->losses[i], 1e-9) << i;
  EXPECT_NEAR(alone->result.test->loss, together->result.test->loss, 1e-9);
}

TEST_F(ModelRuns, InBf16TheyAreThoseOfF32UpToTheRounding) {
  Config c = config("mlp", "exact");
  const auto exact = run(3, c);
  c.model.compute = "bf16";
  c.run.dir = (path() / "bf16-alone").string();
  const auto alone = run(1, c);
  c.run.dir = (path() / "bf16").string();
  const auto rounded = run(3, c);
  EXPECT_NE(rounded->result.parameter_hash, exact->result.parameter_hash);
  EXPECT_EQ(rounded->losses.size(), exact->losses.size());
  double difference = 0.0;
  double of_ranks = 0.0;
  for (std::size_t i = 0; i < exact->losses.size(); ++i) {
    difference = std::max(difference, std::abs(exact->losses[i] - rounded->losses[i]));
    if (alone) of_ranks = std::max(of_ranks, std::abs(alone->losses[i] - rounded->losses[i]));
  }
  EXPECT_GT(difference, 0.0);
  EXPECT_LT(difference, 0.05);
  EXPECT_LT(of_ranks, 0.05);
  EXPECT_NEAR(rounded->result.test->mean_loss(), exact->result.test->mean_loss(), 0.05);
  EXPECT_NE(rounded->result.test->loss, exact->result.test->loss);
  c.run.dir = (path() / "bf16-parts").string();
  c.train.max_steps = 5;
  run(3, c);
  c.train.max_steps = 0;
  EXPECT_EQ(run(3, c, true)->result.parameter_hash, rounded->result.parameter_hash);
  if (world_.rank() == 0) {
    EXPECT_EQ(result("bf16").at("compute"), "bf16");
    EXPECT_EQ(result("exact").at("compute"), "f32");
    EXPECT_EQ(io::read_checkpoint(path() / "bf16/checkpoints" / text("step-0000000000", 16, ".h5"))
                  .tensor("parameters/hidden.weight")
                  .dtype,
              DType::f32);
  }
}

TEST_F(ModelRuns, AScaledLossSkipsStepsAndGoesOnWithTheSameBits) {
  Config c = config("mlp", "scaled");
  c.data.scale = 0.01;  // with gradients of thousands
  c.data.mean = {0.0};
  c.data.std = {1.0};
  c.optimizer.kind = "adam";
  c.optimizer.learning_rate = 0.001;
  c.exchange.compression = "f16";
  c.numerics.loss_scale = "dynamic";
  const auto whole = run(3, c);
  c.run.dir = (path() / "scaled-parts").string();
  c.train.max_steps = 3;
  run(3, c);
  c.train.max_steps = 0;
  EXPECT_EQ(run(3, c, true)->result.parameter_hash, whole->result.parameter_hash);
  if (world_.rank() != 0) return;
  for (const char* name : {"scaled", "scaled-parts"}) {
    std::ifstream in(path() / name / "metrics.jsonl");
    std::uint64_t skipped = 0;
    for (std::string line; std::getline(in, line);) {
      const auto record = nlohmann::json::parse(line);
      if (record.at("kind") != "step") continue;
      EXPECT_EQ(record.at("loss_scale"), 65536.0 / static_cast<double>(std::uint64_t{1} << skipped));
      skipped = record.at("skipped_steps");
    }
    EXPECT_GT(skipped, 3U) << "the run is to be resumed after a skipped step";
    EXPECT_EQ(result(name).at("skipped_steps"), skipped);
    EXPECT_EQ(result(name).at("steps"), 16);
  }
}

TEST_F(ModelRuns, ABatchThatLeavesOneValueToAChannelIsAnErrorBeforeTraining) {
  Config c = config("mlp", "narrow");
  c.model.batch_norm = true;
  c.train.batch_size = 20;  // 101 samples: the last batch has one
  EXPECT_EQ(
      agreed_error(c),
      "batch normalisation of hidden.norm needs two or more values of a channel: batch 6 of each epoch, the last, "
      "has 1 sample(s), one of them alone on rank 0; choose another train.batch_size");
  if (world_.rank() == 0) {
    EXPECT_FALSE(fs::exists(c.run.dir));
  }
  c.train.batch_size = 4;  // two, one and one
  EXPECT_NE(agreed_error(c).find("each batch has 4 sample(s), one of them alone on rank 1"), std::string::npos);
  c.model.batch_norm_statistics = "synchronised";  // then only the last batch is too small
  EXPECT_EQ(
      agreed_error(c),
      "batch normalisation of hidden.norm needs two or more values of a channel: batch 26 of each epoch, the last, "
      "has 1 sample over all ranks; choose another train.batch_size");
}

TEST_F(ModelRuns, RegressionIsScoredByItsError) {
  Config c = on_points("points", "regression");
  c.train.epochs = 60;
  const auto outcome = run(3, c);
  EXPECT_GT(outcome->result.test->r2(), 0.999);
  if (world_.rank() == 0) {
    const auto record = result("regression");
    EXPECT_EQ(record.at("loss"), "mse");
    EXPECT_GT(record.at("test_r2"), 0.999);
    EXPECT_LT(record.at("test_rmse"), 0.05);
    EXPECT_TRUE(record.at("test_accuracy").is_null());
    EXPECT_FALSE(fs::exists(path() / "regression" / "classes.json"));
    EXPECT_NEAR(std::sqrt(record.at("test_loss").get<double>()), record.at("test_rmse").get<double>(), 1e-6);
  }
}

TEST_F(ModelRuns, ScoresDoNotDependOnRanks) {
  std::vector<Score> scores;
  for (const int ranks : {1, 3}) {
    Config c = on_points("points", text("score-", ranks));
    c.model.dtype = "f64";
    if (const auto outcome = run(ranks, c)) scores.push_back(*outcome->result.test);
  }
  if (world_.rank() != 0) return;
  EXPECT_NEAR(scores[0].r2(), scores[1].r2(), 1e-9);
  EXPECT_NEAR(scores[0].rmse(), scores[1].rmse(), 1e-9);
  EXPECT_EQ(scores[0].samples, kPoints);
  EXPECT_EQ(scores[1].samples, kPoints);
}

TEST_F(ModelRuns, ConstantTargetsHaveAnR2) {
  const Config c = on_points("constant", "of-constant");
  run(3, c);
  if (world_.rank() == 0) {
    EXPECT_EQ(result("of-constant").at("test_r2"), 0.0);
  }
}

TEST_F(ModelRuns, LogisticRegressionTellsTwoAnswersApart) {
  Config c = on_points("points", "logistic");
  c.model.name = "logistic";
  c.data.target = "sure";
  c.train.epochs = 40;
  c.optimizer.learning_rate = 0.5;
  const auto outcome = run(3, c);
  EXPECT_EQ(outcome->result.test->answers, kPoints);
  EXPECT_GT(outcome->result.test->accuracy(), 0.9);
  const ClassCounts& counts = outcome->result.classes;
  ASSERT_EQ(counts.classes, 2U);
  EXPECT_EQ(counts.samples(0) + counts.samples(1), kPoints);
  EXPECT_EQ(counts.right(0) + counts.right(1), outcome->result.test->correct);
  c.data.target = "y";
  c.run.dir += "-wrong";
  const std::string message = agreed_error(c);
  EXPECT_NE(message.find("model.loss = \"bce\" needs targets from 0 to 1: sample "), std::string::npos) << message;
}

TEST_F(ModelRuns, BytesOfTextAreForeseen) {
  Config c = on_points("bytes", "of-bytes");
  c.data.input = "text";
  c.model = {.name = "gpt", .layers = 1, .heads = 2, .width = 16};
  c.train.epochs = 12;
  c.optimizer.learning_rate = 0.1;
  const auto outcome = run(3, c);
  EXPECT_EQ(outcome->result.test->answers, kPoints * 8);
  EXPECT_GT(outcome->result.test->accuracy(), 0.3);
  EXPECT_GT(outcome->result.test->top5_accuracy(), outcome->result.test->accuracy());
  EXPECT_EQ(outcome->result.classes.classes, 256U);
  if (world_.rank() == 0) {
    EXPECT_GT(result("of-bytes").at("test_top5_accuracy"), 0.5);
  }
}

TEST_F(ModelRuns, TopFiveOfFewerClassesIsAllOfThem) {
  Config c = config("softmax", "few");
  c.train.max_steps = 1;
  const auto outcome = run(3, c);
  EXPECT_EQ(outcome->result.test->top5_accuracy(), 1.0);
  EXPECT_LT(outcome->result.test->accuracy(), 1.0);
}

TEST_F(ModelRuns, WrongFieldsAreNamed) {
  Config c = on_points("points", "wrong");
  c.data.target = "z";
  EXPECT_NE(agreed_error(c).find("z"), std::string::npos);
  c.data.target = "x";
  EXPECT_NE(agreed_error(c).find("data.input = \"x\" is the target"), std::string::npos);
  c.data.target = "y";
  c.data.input = "x, sure";
  EXPECT_EQ(agreed_error(c), "model.name = \"linear\" has one input, data.input names 2; several are for model.file");
  c.data.input = "x,";
  EXPECT_EQ(agreed_error(c), "data.input = \"x,\": a name is missing");
  c.data.input = "x";
  c.data.integers = "k";
  EXPECT_EQ(agreed_error(c), "data.integers: 'k' is not among data.input");
  c.data.integers = "";
  c.model.name = "mlp";
  EXPECT_NE(agreed_error(c).find("points: the data set has no class labels"), std::string::npos);
  c = config("softmax", "wrong");
  c.data.target = "image";
  EXPECT_NE(agreed_error(c).find("classes are in the field `label`"), std::string::npos);
  c = on_points("points", "wrong");
  c.model.name = "gpt";
  EXPECT_NE(agreed_error(c).find("field 'x' is f32 3, model.name = \"gpt\" needs bytes in a row"), std::string::npos);
  if (world_.rank() == 0) {
    EXPECT_FALSE(fs::exists(path() / "wrong"));
  }
}

}  // namespace

}  // namespace tutti::trainer::test
