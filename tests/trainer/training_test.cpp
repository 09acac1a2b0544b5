// The promises of a training run, each tried on small data with 1, 2 and 3 ranks: same losses whatever the number of
// ranks, every sample once an epoch, same bits twice, same bits after a stop.
#include <gtest/gtest.h>

#include <cstdint>
#include <map>
#include <vector>

#include <tutti/allreduce/allreduce.hpp>
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

}  // namespace

}  // namespace tutti::trainer::test
