// The promises of a training run, each tried on small data with 1, 2 and 3 ranks: same losses whatever the number of
// ranks, every sample once an epoch, same bits twice, same bits after a stop.
#include <gtest/gtest.h>

#include <array>
#include <cstdint>
#include <cstring>
#include <fstream>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include <tutti/allreduce/allreduce.hpp>
#include <tutti/compression/codecs.hpp>
#include <tutti/io/checkpoint.hpp>
#include <tutti/kernels/text.hpp>

#include "tests/trainer/training_runs.hpp"

namespace tutti::trainer::test {

namespace {

/// Losses of P = 2 and 3 against P = 1.
void expect_equal_losses(const std::map<int, Outcome>& outcomes, std::size_t steps, double tolerance) {
  const auto& alone = outcomes.at(1).losses;
  for (const int ranks : {2, 3}) {
    const auto& losses = outcomes.at(ranks).losses;
    ASSERT_EQ(losses.size(), alone.size());
    ASSERT_GE(losses.size(), steps);
    for (std::size_t i = 0; i < steps; ++i)
      EXPECT_NEAR(losses[i], alone[i], tolerance) << "P = " << ranks << ", step " << i + 1;
  }
}

TEST_F(TrainingTest, LossesDoNotDependOnRanksInF64) {
  for (const char* model : {"softmax", "mlp", "convnet"}) {
    for (const std::int64_t batch : {13, 2}) {  // with 2, rank 2 never has a sample
      SCOPED_TRACE(text(model, ", batch ", batch));
      std::map<int, Outcome> outcomes;
      for (const int ranks : {1, 2, 3}) {
        Config c = config(model, text("f64-", model, "-", batch, "-", ranks));
        c.model.dtype = "f64";
        c.train.epochs = 1;
        c.train.batch_size = batch;
        if (auto outcome = run(ranks, c)) outcomes[ranks] = std::move(*outcome);
      }
      if (world_.rank() == 0) {
        expect_equal_losses(
            outcomes, (kSamples + static_cast<std::uint64_t>(batch) - 1) / static_cast<std::uint64_t>(batch), 1e-9);
        EXPECT_EQ(outcomes[1].result.test->samples, 37U);
        EXPECT_EQ(outcomes[3].result.test->samples, 37U);
        EXPECT_NEAR(outcomes[3].result.test->loss, outcomes[1].result.test->loss, 1e-7);
      }
    }
  }
}

TEST_F(TrainingTest, FirstLossesDoNotDependOnRanksInF32) {
  for (const char* model : {"mlp", "convnet"}) {
    SCOPED_TRACE(model);
    std::map<int, Outcome> outcomes;
    for (const int ranks : {1, 2, 3})
      if (auto outcome = run(ranks, config(model, text("f32-", model, "-", ranks))))
        outcomes[ranks] = std::move(*outcome);
    if (world_.rank() == 0) expect_equal_losses(outcomes, 10, 1e-5);
  }
}

TEST_F(TrainingTest, EverySampleOnceAnEpoch) {
  Config c = config("softmax", "ids");
  c.train.batch_size = 7;
  const auto outcome = run(3, c);
  const std::size_t steps = 15;  // an epoch: 14 batches of 7 and one of 3
  ASSERT_EQ(outcome->ids.size(), 2 * steps);
  std::vector<std::uint64_t> order[2];
  for (const std::size_t epoch : {0, 1}) {
    std::vector<std::uint64_t> seen(kSamples);
    for (std::size_t step = epoch * steps; step < (epoch + 1) * steps; ++step) {
      for (const std::uint64_t id : outcome->ids[step]) {
        ASSERT_LT(id, kSamples);
        ++seen[id];
        order[epoch].push_back(id);
      }
    }
    allreduce(world_, std::span<std::uint64_t>(seen), ReduceOp::sum);
    EXPECT_EQ(seen, std::vector<std::uint64_t>(kSamples, 1)) << "epoch " << epoch;
  }
  EXPECT_NE(order[0], order[1]) << "epochs are shuffled alike";
}

TEST_F(TrainingTest, TwoRunsGiveTheSameBits) {
  for (const int ranks : {1, 3}) {
    const auto first = run(ranks, config("convnet", text("first-", ranks)));
    const auto second = run(ranks, config("convnet", text("second-", ranks)));
    if (!first) continue;
    EXPECT_EQ(first->result.parameter_hash, second->result.parameter_hash);
    EXPECT_EQ(first->losses, second->losses);
    EXPECT_EQ(first->result.parameter_hash.size(), 64U);
  }
  Config other = config("convnet", "other-seed");
  other.train.seed = 2;
  const auto changed = run(1, other);
  const auto same = run(1, config("convnet", "same-seed"));
  if (changed) {
    EXPECT_NE(changed->result.parameter_hash, same->result.parameter_hash);
  }
}

TEST_F(TrainingTest, StoppingAndResumingGivesTheSameBits) {
  for (const int ranks : {2, 3}) {
    Config c = config("mlp", text("whole-", ranks));
    c.schedule = {.kind = "step", .warmup_steps = 5, .step_epochs = 0.7, .gamma = 0.5, .base_batch = 0};
    const auto whole = run(ranks, c);
    for (const std::int64_t stop : {1, 5, 8, 13}) {  // an epoch has 8 steps
      c.run.dir = (path() / text("stopped-", ranks, "-", stop)).string();
      c.train.max_steps = stop;
      const auto before = run(ranks, c);
      c.train.max_steps = 0;
      const auto after = run(ranks, c, true);
      if (!whole) continue;
      SCOPED_TRACE(text(ranks, " ranks, stopped after step ", stop));
      EXPECT_EQ(before->losses.size(), static_cast<std::size_t>(stop));
      EXPECT_EQ(after->losses.size(), static_cast<std::size_t>(16 - stop));
      EXPECT_EQ(after->result.parameter_hash, whole->result.parameter_hash);
      if (world_.rank() == 0) {
        EXPECT_EQ(logged_steps(text("stopped-", ranks, "-", stop)), logged_steps(text("whole-", ranks)));
      }
    }
  }
}

/// Rewrites a checkpoint as version 1 was written.
void make_version_1(const fs::path& file) {
  io::Checkpoint checkpoint = io::read_checkpoint(file);
  auto description = nlohmann::json::parse(checkpoint.description);
  EXPECT_EQ(description.at("version"), 2);
  description["version"] = 1;
  std::string toml = description.at("config");
  const auto replace = [&](const std::string& now, const std::string& former) {
    const auto at = toml.find(now);
    ASSERT_NE(at, std::string::npos) << now;
    toml.replace(at, now.size(), former);
  };
  replace("[optimizer]\nkind = \"sgd\"\n", "[optimizer]\n");
  replace("kind = \"allreduce\"", "kind = \"sync_sgd\"");
  description["config"] = toml;
  checkpoint.description = description.dump();
  const std::string slot = "optimizer/momentum/";
  std::size_t renamed = 0;
  for (auto& tensor : checkpoint.tensors) {
    if (!tensor.name.starts_with(slot)) continue;
    tensor.name.replace(0, slot.size(), "velocities/");
    ++renamed;
  }
  EXPECT_EQ(2 * renamed, checkpoint.tensors.size());
  io::write_checkpoint(file, checkpoint);
}

TEST_F(TrainingTest, CheckpointsOfVersion1AreResumed) {
  const auto whole = run(3, config("mlp", "whole"));
  Config c = config("mlp", "version-1");
  c.train.max_steps = 5;
  run(3, c);
  if (world_.rank() == 0) make_version_1(path() / "version-1" / "checkpoints" / "step-000000000005.h5");
  barrier(world_);
  c.train.max_steps = 0;
  EXPECT_EQ(run(3, c, true)->result.parameter_hash, whole->result.parameter_hash);
}

TEST_F(TrainingTest, ResumesFromTheNewestWholeCheckpoint) {
  const auto whole = run(2, config("mlp", "killed"));
  if (world_.rank() == 0) {
    const fs::path checkpoints = path() / "killed" / "checkpoints";
    const fs::path newest = checkpoints / "step-000000000016.h5";
    fs::resize_file(newest, fs::file_size(newest) / 2);
    EXPECT_TRUE(fs::exists(checkpoints / "step-000000000008.h5"));
  }
  const auto again = run(2, config("mlp", "killed"), true);
  if (!whole) return;
  EXPECT_EQ(again->losses.size(), 8U);
  EXPECT_EQ(again->result.parameter_hash, whole->result.parameter_hash);
  if (world_.rank() == 0) {
    std::vector<std::uint64_t> steps(16);
    for (std::size_t i = 0; i < steps.size(); ++i) steps[i] = i + 1;
    EXPECT_EQ(logged_steps("killed"), steps);
  }
}

TEST_F(TrainingTest, ResumingAFinishedRunChangesNothing) {
  const auto whole = run(2, config("softmax", "finished"));
  const std::string metrics = read_file(path() / "finished" / "metrics.jsonl");
  const auto again = run(2, config("softmax", "finished"), true);
  if (!whole) return;
  EXPECT_TRUE(again->losses.empty());
  EXPECT_EQ(again->result.parameter_hash, whole->result.parameter_hash);
  if (world_.rank() == 0) {
    EXPECT_EQ(read_file(path() / "finished" / "metrics.jsonl"), metrics);
  }
}

// A test set that takes several rounds of 256 samples a rank, the last of them short: every sample is counted once.
TEST_F(TrainingTest, LargeTestSetsAreCountedWhole) {
  constexpr std::uint64_t kTests = 2 * 3 * 256 + 17;
  if (world_.rank() == 0) write_bars(path() / "large", kTests, 3);
  barrier(world_);
  std::map<int, Score> scores;
  std::map<int, ClassCounts> counts;
  for (const int ranks : {1, 2, 3}) {
    Config c = config("softmax", text("large-", ranks));
    c.model.dtype = "f64";
    c.data.test = (path() / "large").string();
    c.train.max_steps = 3;
    if (const auto outcome = run(ranks, c)) {
      scores[ranks] = *outcome->result.test;
      counts[ranks] = outcome->result.classes;
    }
  }
  if (world_.rank() != 0) return;
  for (const int ranks : {1, 2, 3}) {
    EXPECT_EQ(counts[ranks].cells, counts[1].cells) << ranks;
    EXPECT_EQ(scores[ranks].samples, kTests) << ranks;
    EXPECT_EQ(scores[ranks].correct, scores[1].correct) << ranks;
    EXPECT_NEAR(scores[ranks].loss, scores[1].loss, 1e-6) << ranks;
  }
  EXPECT_GT(scores[1].correct, 0U);
  EXPECT_LT(scores[1].correct, kTests);
  const auto result = nlohmann::json::parse(read_file(path() / "large-3" / "result.json"));
  EXPECT_EQ(result.at("test_samples"), kTests);
  EXPECT_DOUBLE_EQ(result.at("test_accuracy"), static_cast<double>(scores[3].correct) / kTests);
  EXPECT_DOUBLE_EQ(result.at("test_loss"), scores[3].loss / kTests);
  const auto classes = nlohmann::json::parse(read_file(path() / "large-3" / "classes.json"));
  EXPECT_EQ(classes.at("step"), 3);
  std::uint64_t samples = 0;
  std::uint64_t right = 0;
  for (std::size_t c = 0; c < kClasses; ++c) {
    samples += classes.at("classes").at(c).at("samples").get<std::uint64_t>();
    right += classes.at("confusion").at(c).at(c).get<std::uint64_t>();
    EXPECT_EQ(classes.at("confusion").at(c).at(1), counts[3].at(c, 1));
  }
  EXPECT_EQ(samples, kTests);
  EXPECT_EQ(right, scores[3].correct);
}

// Rates are of all ranks' samples, and of the time that the records state.
TEST_F(TrainingTest, RatesCountTheSamplesOfAllRanks) {
  const auto outcome = run(3, config("softmax", "rates"));
  if (world_.rank() != 0) return;
  std::ifstream in(path() / "rates" / "metrics.jsonl");
  double seconds = 0.0;
  std::uint64_t samples = 0;
  for (std::string line; std::getline(in, line);) {
    const auto record = nlohmann::json::parse(line);
    if (record.at("kind") != "step") continue;
    const auto of_step = record.at("samples").get<std::uint64_t>();
    const double time = record.at("step_time_s");
    EXPECT_EQ(of_step, record.at("step").get<int>() % 8 == 0 ? 101U - 7 * 13 : 13U);
    EXPECT_NEAR(record.at("samples_per_s").get<double>() * time, static_cast<double>(of_step), 1e-6);
    seconds += time;
    samples += of_step;
  }
  EXPECT_EQ(samples, 2 * kSamples);
  const auto result = nlohmann::json::parse(read_file(path() / "rates" / "result.json"));
  EXPECT_EQ(result.at("samples"), 2 * kSamples);
  EXPECT_NEAR(result.at("samples_per_s").get<double>() * seconds, static_cast<double>(samples), 1e-3);
  EXPECT_DOUBLE_EQ(outcome->result.samples_per_s, result.at("samples_per_s").get<double>());
}

// Epochs are counted from 1 in every record, also in the middle of one.
TEST_F(TrainingTest, EvaluationsNameTheEpochTheyAreIn) {
  const std::vector<std::pair<std::int64_t, int>> cases{{1, 1}, {7, 1}, {8, 1}, {9, 2}, {16, 2}};
  for (const auto& [steps, epoch] : cases) {
    Config c = config("softmax", text("epochs-", steps));
    c.train.max_steps = steps;
    run(3, c);
    if (world_.rank() != 0) continue;
    std::ifstream in(path() / text("epochs-", steps) / "metrics.jsonl");
    nlohmann::json last;
    for (std::string line; std::getline(in, line);) {
      last = nlohmann::json::parse(line);
      EXPECT_GE(last.at("epoch"), 1) << line;
    }
    EXPECT_EQ(last.at("kind"), "evaluation");
    EXPECT_EQ(last.at("step"), steps);
    EXPECT_EQ(last.at("epoch"), epoch) << "step " << steps;
  }
}

// Inputs of types that libtorch has no tensors of, and inputs of one number a sample.
TEST_F(TrainingTest, InputsOfEveryType) {
  std::map<std::string, double> losses;
  for (const DType dtype : kAllDTypes) {
    if (is_floating(dtype) && size_of(dtype) == 2) continue;
    const std::string type(name(dtype));
    for (const std::vector<std::size_t>& shape : {std::vector<std::size_t>{}, std::vector<std::size_t>{2}}) {
      const std::size_t elements = shape.empty() ? 1 : 2;
      if (world_.rank() == 0) {
        io::DatasetWriter writer(path() / text(type, elements),
                                 {.name = type,
                                  .fields = {{"image", dtype, shape}, {"label", DType::u8, {}}},
                                  .samples = 12,
                                  .shards = 2,
                                  .classes = 2});
        std::vector<std::byte> images(12 * elements * size_of(dtype));
        std::vector<std::uint8_t> labels;
        for (std::uint64_t id = 0; id < 12; ++id) labels.push_back(static_cast<std::uint8_t>(id % 2));
        for (std::size_t i = 0; i < 12 * elements; ++i) {
          const double value = static_cast<double>(i % 5) * 20;
          std::byte* at = images.data() + i * size_of(dtype);
          if (dtype == DType::f64) std::memcpy(at, &value, 8);
          const auto single = static_cast<float>(value);
          if (dtype == DType::f32) std::memcpy(at, &single, 4);
          const auto whole = static_cast<std::uint64_t>(value);
          if (!is_floating(dtype)) std::memcpy(at, &whole, size_of(dtype));  // little-endian
        }
        const std::array<std::span<const std::byte>, 2> data{images, std::as_bytes(std::span(labels))};
        writer.append(12, data);
        writer.finish();
      }
      barrier(world_);
      Config c = config("mlp", text("run-", type, elements));
      c.data.train = (path() / text(type, elements)).string();
      c.data.test.clear();
      const double loss = run(3, c)->losses.back();
      const std::string key = text(elements);
      losses.try_emplace(key, loss);
      EXPECT_EQ(loss, losses[key]) << type << ", " << elements << " a sample";
    }
  }
}

TEST_F(TrainingTest, KeepsTheLastCheckpoints) {
  Config c = config("softmax", "keep");
  c.run.checkpoint_every = 3;
  c.run.keep = 2;
  run(1, c);
  if (world_.rank() != 0) return;
  EXPECT_EQ(std::distance(fs::directory_iterator(path() / "keep" / "checkpoints"), fs::directory_iterator()), 2);
  EXPECT_TRUE(fs::exists(path() / "keep" / "checkpoints" / "step-000000000016.h5"));
  EXPECT_TRUE(fs::exists(path() / "keep" / "checkpoints" / "step-000000000015.h5"));
}

TEST_F(TrainingTest, CompressedGradientsTrainToo) {
  Config c = config("mlp", "plain");
  c.train.epochs = 6;
  const auto plain = run(3, c);
  for (const char* codec : {"bf16", "f16"}) {
    c.run.dir = (path() / codec).string();
    c.exchange.compression = codec;
    const auto outcome = run(3, c);
    EXPECT_LT(outcome->losses.back(), 0.5 * outcome->losses.front());
    EXPECT_NEAR(outcome->losses[5], plain->losses[5], 0.02 * plain->losses[5]);
    EXPECT_NE(outcome->result.parameter_hash, plain->result.parameter_hash);  // it did compress
  }
}

// Every codec of the table, for all parameters, those of one dimension too.
TEST_F(TrainingTest, EveryCodecTrains) {
  for (const Codec* codec : codecs()) {
    SCOPED_TRACE(codec->name);
    Config c = config("mlp", text("by-", codec->name));
    c.train.epochs = 6;
    c.exchange.rules = {{.compression = std::string(codec->name)}};
    c.exchange.guard_every = 4;
    if (codec->keeps_momentum) {
      c.optimizer.momentum = 0.0;
      c.optimizer.nesterov = false;
    }
    if (codec->name == "vote") c.optimizer.learning_rate = 0.002;  // every update is as large as that
    const auto outcome = run(3, c);
    ASSERT_TRUE(outcome);
    EXPECT_LT(outcome->losses.back(), 0.8 * outcome->losses.front());
  }
}

}  // namespace

}  // namespace tutti::trainer::test
