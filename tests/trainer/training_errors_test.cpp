// What stops a training run, on all ranks with the same line, and what is left on disk then.
#include <gtest/gtest.h>

#include <array>
#include <cstdint>
#include <limits>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include <tutti/io/checkpoint.hpp>
#include <tutti/io/files.hpp>
#include <tutti/kernels/text.hpp>

#include "tests/trainer/training_runs.hpp"

namespace tutti::trainer::test {

namespace {

TEST_F(TrainingTest, RefusesCheckpointsOfOtherRuns) {
  run(3, config("mlp", "mine"));
  Config other = config("mlp", "mine");
  other.model.hidden = 11;
  expect_parts(agreed_error(other, true),
               {"step-000000000016.h5", "parameter 0", "hidden.weight [10,64]", "hidden.weight [11,64]"});
  other = config("softmax", "mine");
  expect_parts(agreed_error(other, true), {"parameter 0", "hidden.weight", "output.weight"});
  other = config("mlp", "mine");
  other.train.seed = 5;
  expect_parts(agreed_error(other, true), {"train.seed is 5 and was 1"});
  other = config("mlp", "mine");
  other.train.batch_size = 14;
  expect_parts(agreed_error(other, true), {"train.batch_size is 14 and was 13"});
  other = config("mlp", "mine");
  other.data.train = other.data.test;
  expect_parts(agreed_error(other, true), {"training set", "101", "37"});
  if (world_.rank() == 0) write_bars(path() / "as-large", kSamples, 2);  // cut into other shards
  barrier(world_);
  other.data.train = (path() / "as-large").string();
  expect_parts(agreed_error(other, true), {"training set has 101 samples and fingerprint"});
  expect_parts(agreed_error(config("mlp", "mine")), {"mine", "already holds a run", "--resume"});
  expect_parts(agreed_error(config("mlp", "none"), true), {"none", "holds no run"});
}

TEST_F(TrainingTest, RefusesCheckpointsOfLaterVersions) {
  Config c = config("softmax", "later");
  c.train.max_steps = 1;
  run(3, c);
  if (world_.rank() == 0) {
    const fs::path file = path() / "later" / "checkpoints" / "step-000000000001.h5";
    io::Checkpoint checkpoint = io::read_checkpoint(file);
    auto description = nlohmann::json::parse(checkpoint.description);
    description["version"] = 3;
    checkpoint.description = description.dump();
    io::write_checkpoint(file, checkpoint);
  }
  barrier(world_);
  expect_parts(agreed_error(c, true), {"step-000000000001.h5", "has version 3", "reads 1 to 2"});
}

TEST_F(TrainingTest, LossThatIsNotANumberStopsAllRanks) {
  if (world_.rank() == 0) {
    io::DatasetWriter writer(path() / "nan", {.name = "nan",
                                              .fields = {{"image", DType::f32, {4}}, {"label", DType::u8, {}}},
                                              .samples = 24,
                                              .shards = 1,
                                              .classes = 2});
    std::vector<float> images(96, 1.0F);  // 24 of 4 pixels
    images[32] = std::numeric_limits<float>::quiet_NaN();
    const std::vector<std::uint8_t> labels(24);
    const std::array<std::span<const std::byte>, 2> data{std::as_bytes(std::span(images)),
                                                         std::as_bytes(std::span(labels))};
    writer.append(24, data);
    writer.finish();
  }
  barrier(world_);
  Config c = config("softmax", "nan-run");
  c.data.train = (path() / "nan").string();
  c.data.test.clear();
  c.train.order = "contiguous";
  c.train.batch_size = 6;
  c.run.checkpoint_every = 1;
  // Sample 8 is in the second batch, 6 to 11, of which rank 1 has the second third.
  expect_parts(agreed_error(c),
               {"loss is nan at step 2", "batch 2 of epoch 1", "on rank 1: 2 samples, ids 8 to 9", "step 1"});
  if (world_.rank() == 0) {
    EXPECT_TRUE(fs::exists(path() / "nan-run" / "checkpoints" / "step-000000000001.h5"));
  }
}

TEST_F(TrainingTest, ParametersThatAreNotFiniteAreNotSaved) {
  Config c = config("mlp", "overflow");
  c.optimizer = {.learning_rate = 1e300, .momentum = 0.9, .nesterov = false, .weight_decay = 0.0};
  c.run.checkpoint_every = 1;
  expect_parts(agreed_error(c), {"parameters are not finite after step 1", "step 0"});
  if (world_.rank() != 0) return;
  EXPECT_TRUE(fs::exists(path() / "overflow" / "checkpoints" / "step-000000000000.h5"));
  EXPECT_FALSE(fs::exists(path() / "overflow" / "checkpoints" / "step-000000000001.h5"));
}

/// Every file below `folder` with its content.
std::map<std::string, std::string> contents(const fs::path& folder) {
  std::map<std::string, std::string> found;
  for (const auto& entry : fs::recursive_directory_iterator(folder))
    if (entry.is_regular_file()) found[entry.path().string()] = read_file(entry.path());
  return found;
}

// What a run is asked for is compared with what it has done before anything is touched.
TEST_F(TrainingTest, ResumingForLessThanIsDoneChangesNothing) {
  run(3, config("softmax", "done"));
  const auto before = contents(path() / "done");
  Config less = config("softmax", "done");
  less.train.epochs = 1;
  expect_parts(agreed_error(less, true), {"has done 16 steps", "8 steps are asked for"});
  less = config("softmax", "done");
  less.train.max_steps = 15;
  expect_parts(agreed_error(less, true), {"has done 16 steps", "15 steps are asked for"});
  less = config("softmax", "done");
  less.train.seed = 9;
  agreed_error(less, true);
  if (world_.rank() == 0) {
    EXPECT_EQ(contents(path() / "done"), before);
    EXPECT_TRUE(fs::exists(path() / "done" / "result.json"));
  }
}

TEST_F(TrainingTest, AFolderInUseIsRefused) {
  std::optional<io::FolderLock> holder;
  if (world_.rank() == 0) {
    fs::create_directories(path() / "live");
    holder.emplace(path() / "live");
  }
  barrier(world_);
  expect_parts(agreed_error(config("softmax", "live")), {"live", "in use by process", "host"});
  holder.reset();
  run(3, config("softmax", "live"));
  if (world_.rank() == 0) holder.emplace(path() / "live");
  barrier(world_);
  expect_parts(agreed_error(config("softmax", "live"), true), {"live", "in use by process", "host"});
}

// A sample that has no score must not get one: in libtorch the index of the largest of NaNs is 0, which is a class.
TEST_F(TrainingTest, ATestSampleThatIsNotANumberIsNamed) {
  const auto write = [&](const char* name, float last) {
    io::DatasetWriter writer(path() / name, {.name = name,
                                             .fields = {{"image", DType::f32, {4}}, {"label", DType::u8, {}}},
                                             .samples = 7,
                                             .shards = 2,
                                             .classes = 2});
    std::vector<float> images(28, 1.0F);
    images[23] = last;  // of sample 5
    const std::vector<std::uint8_t> labels{0, 1, 0, 1, 0, 0, 1};
    const std::array<std::span<const std::byte>, 2> data{std::as_bytes(std::span(images)),
                                                         std::as_bytes(std::span(labels))};
    writer.append(7, data);
    writer.finish();
  };
  if (world_.rank() == 0) {
    write("finite", 1.0F);
    write("nan", std::numeric_limits<float>::quiet_NaN());
    write("infinite", std::numeric_limits<float>::infinity());
  }
  barrier(world_);
  for (const char* test : {"nan", "infinite"}) {
    Config c = config("softmax", std::string("tested-on-") + test);
    c.data.train = (path() / "finite").string();
    c.data.test = (path() / test).string();
    c.train.batch_size = 7;
    expect_parts(agreed_error(c), {(path() / test).string(), "sample 5", "its input is not finite"});
    if (world_.rank() == 0) {  // what was learnt is not lost
      EXPECT_TRUE(fs::exists(fs::path(c.run.dir) / "checkpoints" / "step-000000000001.h5"));
      EXPECT_FALSE(fs::exists(fs::path(c.run.dir) / "result.json"));
      EXPECT_EQ(read_file(fs::path(c.run.dir) / "metrics.jsonl").find("evaluation"), std::string::npos);
    }
    c.data.test = (path() / "finite").string();
    EXPECT_EQ(run(3, c, true)->result.test->samples, 7U);
  }
}

// Gradients that bf16 holds and f16 does not: the run stops before they get into parameters, also at rate 0.
TEST_F(TrainingTest, GradientsBeyondTheRangeOfACodecStopTheRunBeforeTheUpdate) {
  for (const double rate : {1e-12, 0.0}) {
    Config c = config("softmax", text("overflow-", rate, "-f16"));
    c.data.scale = 1e-6;
    c.data.mean = {0.0};
    c.data.std = {1.0};
    c.optimizer = {.learning_rate = rate, .momentum = 0.0, .nesterov = false, .weight_decay = 0.0};
    c.exchange.compression = "f16";
    expect_parts(agreed_error(c), {"gradient of output.weight", "step 1", "65504", "bf16", "step 0"});
    std::vector<std::string> hashes;
    for (const char* compression : {"bf16", "none"}) {
      c.exchange.compression = compression;
      c.run.dir = (path() / text("overflow-", rate, "-", compression)).string();
      hashes.push_back(run(3, c)->result.parameter_hash);
    }
    EXPECT_EQ(hashes[0] == hashes[1], rate == 0.0);
  }
}

TEST_F(TrainingTest, DataSetsOfDifferentClassesSayHowToMend) {
  if (world_.rank() == 0) {
    fs::remove_all(path() / "test");
    io::DatasetWriter writer(path() / "test", {.name = "two",
                                               .fields = {{"image", DType::u8, {1, 8, 8}}, {"label", DType::i64, {}}},
                                               .samples = 1,
                                               .shards = 1,
                                               .classes = 2});
    const std::vector<std::byte> image(64);
    const std::vector<std::byte> label(8);
    const std::array<std::span<const std::byte>, 2> data{image, label};
    writer.append(1, data);
    writer.finish();
  }
  barrier(world_);
  expect_parts(agreed_error(config("softmax", "classes")), {"has 2 classes", "has 3", "--classes 3"});
}

TEST_F(TrainingTest, ErrorOfOneRankIsNamedOnAll) {
  try {
    agree(world_, [&] {
      if (world_.rank() == 1) throw DataError("the disk is gone");
    });
    ADD_FAILURE();
  } catch (const AgreedError& error) {
    EXPECT_STREQ(error.what(), "rank 1: the disk is gone");
  }
  try {
    agree(world_, [&]() -> int { throw DataError("no such file"); });
    ADD_FAILURE();
  } catch (const AgreedError& error) {
    EXPECT_STREQ(error.what(), "no such file");
  }
  EXPECT_EQ(agree(world_, [] { return 7; }), 7);
}

}  // namespace

}  // namespace tutti::trainer::test
