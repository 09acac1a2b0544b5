// What stops a training run, on all ranks with the same line, and what is left on disk then.
#include <gtest/gtest.h>

#include <array>
#include <cstdint>
#include <limits>
#include <span>
#include <vector>

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
  expect_parts(agreed_error(config("mlp", "mine")), {"mine", "already holds a run", "--resume"});
  expect_parts(agreed_error(config("mlp", "none"), true), {"none", "holds no run"});
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
