// A run that is asked to stop, in the middle of a step or of an evaluation, and goes on later with the same bits.
#include <gtest/gtest.h>

#include <cstdint>
#include <string>
#include <vector>

#include <tutti/kernels/text.hpp>

#include "tests/trainer/training_runs.hpp"

namespace tutti::trainer::test {

namespace {

class StoppedRun : public TrainingTest {
 protected:
  /// Trains on all ranks; rank 1 is asked to stop when it has been asked `times` times.
  TrainingResult run_until(const Config& config, int times, bool resume) const {
    int asked = 0;
    return train(world_, config,
                 {.resume = resume, .on_step = {}, .stop = [&] { return ++asked > times && world_.rank() == 1; }});
  }

  std::vector<std::string> records(const std::string& run, const std::string& kind) const {
    std::vector<std::string> found;
    std::ifstream in(path() / run / "metrics.jsonl");
    for (std::string line; std::getline(in, line);) {
      const auto record = nlohmann::json::parse(line);
      if (record.at("kind") == kind)
        found.push_back(text(record.at("step").get<int>(), ":", record.value("test_loss", 0.0)));
    }
    return found;
  }
};

// Asked at each step and before each batch of an evaluation: 8 steps an epoch, then one batch of the test set.
TEST_F(StoppedRun, GoesOnWithTheSameBitsWhereverItWasStopped) {
  const auto whole = run(3, config("mlp", "whole"));
  for (const int times : {0, 3, 7, 8, 9, 17, 18}) {
    SCOPED_TRACE(text("asked ", times, " times before"));
    const std::string name = text("stopped-", times);
    const TrainingResult stopped = run_until(config("mlp", name), times, false);
    // The answer to question 8 (counted from 0) is that of the first evaluation, to 17 that of the last.
    const auto steps = static_cast<std::uint64_t>(times <= 7 ? times + 1 : times == 8 ? 8 : times < 17 ? times : 16);
    if (times == 18) {  // one time more than anybody asks
      EXPECT_FALSE(stopped.stopped);
      continue;
    }
    EXPECT_TRUE(stopped.stopped);
    EXPECT_EQ(stopped.steps, steps);
    if (world_.rank() == 0) {
      EXPECT_FALSE(fs::exists(path() / name / "result.json"));
      EXPECT_FALSE(fs::exists(path() / name / ".lock"));
    }
    const auto after = run(3, config("mlp", name), true);
    EXPECT_EQ(after->result.parameter_hash, whole->result.parameter_hash);
    EXPECT_FALSE(after->result.stopped);
    if (world_.rank() == 0) {
      EXPECT_EQ(records(name, "step"), records("whole", "step"));
      EXPECT_EQ(records(name, "evaluation"), records("whole", "evaluation"));
      EXPECT_TRUE(fs::exists(path() / name / "result.json"));
    }
  }
}

// What ranks hold back of compressed gradients is in files beside the checkpoint, and goes with it.
TEST_F(StoppedRun, GoesOnWithWhatWasHeldBack) {
  const auto compressed = [&](const std::string& name) {
    Config c = config("mlp", name);
    c.exchange.compression = "bf16:feedback=on";
    c.exchange.compress_after = 2;
    return c;
  };
  const auto whole = run(3, compressed("whole"));
  EXPECT_NE(whole->result.parameter_hash, run(3, config("mlp", "plain"))->result.parameter_hash);
  for (const int times : {1, 2, 6}) {
    SCOPED_TRACE(text("asked ", times, " times before"));
    const std::string name = text("stopped-", times);
    EXPECT_TRUE(run_until(compressed(name), times, false).stopped);
    const auto after = run(3, compressed(name), true);
    EXPECT_EQ(after->result.parameter_hash, whole->result.parameter_hash);
  }
  if (world_.rank() == 0) {  // of the checkpoints that are left, and of no other
    int files = 0;
    int checkpoints = 0;
    for (const auto& entry : fs::directory_iterator(path() / "whole" / "checkpoints")) {
      const bool is_beside = entry.path().filename().string().find(".rank-") != std::string::npos;
      (is_beside ? files : checkpoints) += 1;
    }
    EXPECT_GT(files, 0);
    EXPECT_LE(files, 3 * checkpoints);
  }
  // Fewer ranks take over what three held back.
  run_until(compressed("fewer"), 6, false);
  EXPECT_TRUE(run(2, compressed("fewer"), true).has_value() || world_.rank() == 2);
}

}  // namespace

}  // namespace tutti::trainer::test
