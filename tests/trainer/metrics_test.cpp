// What a run tells of itself, beside the loss: where its time goes, bytes and memory, and whether
// it still gets better.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <fstream>
#include <string>
#include <utility>
#include <vector>

#include <nlohmann/json.hpp>

#include <tutti/kernels/text.hpp>
#include <tutti/trainer/run/memory_use.hpp>

#include "tests/trainer/training_runs.hpp"

namespace tutti::trainer::test {

namespace {

/// The phases of a step are there and add up to its time.
void expect_phases_of(const nlohmann::json& record) {
  double sum = 0.0;
  for (const char* phase : {"reading_s", "forward_s", "backward_s", "communication_s", "update_s", "other_s"}) {
    EXPECT_GE(record.at(phase), -1e-9) << phase;  // a difference of rounded sums
    sum += record.at(phase).get<double>();
  }
  EXPECT_NEAR(sum, record.at("step_time_s"), 1e-9);
  for (const char* phase : {"reading_s", "forward_s", "backward_s", "update_s"}) EXPECT_GT(record.at(phase), 0.0);
}

// What a run measures of itself goes on over sessions: steps of the first one count in the result.
TEST_F(TrainingTest, PhasesAndBytesAreOfAllSessions) {
  for (const char* compression : {"none", "bf16"}) {
    Config c = config("mlp", text("phases-", compression));
    c.exchange.compression = compression;
    c.train.accumulate = 3;
    c.train.max_steps = 2;
    run(3, c);
    c.train.max_steps = 5;
    run(3, c, true);
    if (world_.rank() != 0) continue;
    const auto result = nlohmann::json::parse(read_file(fs::path(c.run.dir) / "result.json"));
    expect_phases_of(result);
    EXPECT_GT(result.at("memory_bytes"), 10'000'000);
    double bytes = 0.0;
    std::vector<int> saved;
    std::ifstream in(fs::path(c.run.dir) / "metrics.jsonl");
    for (std::string line; std::getline(in, line);) {
      const auto record = nlohmann::json::parse(line);
      if (record.at("kind") == "step") {
        expect_phases_of(record);
        bytes += record.at("payload_bytes").get<double>();
      }
      if (record.at("kind") != "checkpoint") continue;
      saved.push_back(record.at("step"));
      EXPECT_GT(record.at("memory_bytes"), 10'000'000);
      EXPECT_GT(record.at("seconds"), 0.0);
    }
    EXPECT_EQ(saved, (std::vector{2, 3, 5}));
    EXPECT_DOUBLE_EQ(result.at("payload_bytes"), bytes / 5);
    // Gradients, their padding, and three numbers beside the loss.
    const double gradients = (64 * 10 + 10 + 10 * 3 + 3) * (c.exchange.compression == "bf16" ? 2 : 4);
    EXPECT_GE(bytes / 5, gradients + 24);
    EXPECT_LE(bytes / 5, gradients + 24 + 4 * 64);
  }
}

// Rank 1 uses more than any rank had: all learn of it.
TEST_F(TrainingTest, MemoryIsThatOfTheLargestRank) {
  const auto before = largest_memory(world_);
  ASSERT_TRUE(before);
  const std::uint64_t more = *before + 50'000'000;
  const std::vector<char> much(world_.rank() == 1 ? more : 0, 'x');
  EXPECT_GE(largest_memory(world_), more) << much.size();
}

TEST(MemoryUse, IsTheSystemsHighWaterMark) {
  EXPECT_EQ(high_water_in("Name:\tx\nVmPeak:\t  99 kB\nVmHWM:\t    2100 kB\nVmRSS:\t 5 kB\n"), 2100U * 1024);
  EXPECT_FALSE(high_water_in("Name:\tVmHWM:\nVmRSS:\t 5 kB\n"));
  EXPECT_FALSE(high_water_in("\nVmHWM: many"));
}

class EarlyStop : public TrainingTest {
 protected:
  /// Judged by an accuracy over 37 samples, which soon gets no better; 8 steps an epoch.
  Config early(const std::string& name) const {
    Config c = config("softmax", name);
    c.train.epochs = 40;
    c.run.monitor = "test_accuracy";
    c.run.stop_after = 2;
    c.run.keep_best = true;
    c.run.keep = 1;
    return c;
  }
  nlohmann::json result(const std::string& name) const {
    return nlohmann::json::parse(read_file(path() / name / "result.json"));
  }
  std::vector<std::string> checkpoints(const std::string& name) const {
    std::vector<std::string> files;
    for (const auto& entry : fs::directory_iterator(path() / name / "checkpoints"))
      files.push_back("checkpoints/" + entry.path().filename().string());
    std::sort(files.begin(), files.end());
    return files;
  }
  /// Step and accuracy of the evaluations of a run.
  std::vector<std::pair<std::uint64_t, double>> evaluations(const std::string& name) const {
    std::vector<std::pair<std::uint64_t, double>> found;
    std::ifstream in(path() / name / "metrics.jsonl");
    for (std::string line; std::getline(in, line);)
      if (const auto record = nlohmann::json::parse(line); record.at("kind") == "evaluation")
        found.emplace_back(record.at("step"), record.at("test_accuracy"));
    return found;
  }
};

TEST_F(EarlyStop, EndsTheRunAndKeepsTheBest) {
  const auto outcome = run(3, early("early"));
  EXPECT_TRUE(outcome->result.stopped_early);
  EXPECT_FALSE(outcome->result.stopped);
  EXPECT_LT(outcome->result.steps, 40U * 8);
  EXPECT_EQ(outcome->losses.size(), outcome->result.steps);
  if (world_.rank() != 0) return;
  const auto record = result("early");
  EXPECT_EQ(record.at("ended"), "early: no better test_accuracy in 2 evaluations");
  const auto all = evaluations("early");
  ASSERT_GT(all.size(), 2U);
  const auto best = std::max_element(all.begin(), all.end(), [](auto a, auto b) { return a.second < b.second; });
  EXPECT_EQ(all.end() - best, 3) << "two evaluations follow the best, the first of equal ones";
  EXPECT_EQ(outcome->result.best->step, best->first);
  EXPECT_EQ(record.at("best").at("step"), best->first);
  EXPECT_EQ(record.at("best").at("value"), best->second);
  EXPECT_EQ(record.at("best").at("figure"), "test_accuracy");
  const auto files = checkpoints("early");
  ASSERT_EQ(files.size(), 2U) << "the best and the newest";
  EXPECT_EQ(record.at("best").at("checkpoint"), files.front());
}

// Sessions end in the middle of an epoch, where another evaluation comes in between, and at its end.
TEST_F(EarlyStop, AResumedRunEndsWhereAnUndisturbedOneDoes) {
  const auto whole = run(3, early("whole"));
  Config c = early("parts");
  for (const int steps : {3, 8, 13}) {
    c.train.max_steps = steps;
    run(3, c, steps != 3);
  }
  c.train.max_steps = 0;
  const auto parts = run(3, c, true);
  EXPECT_TRUE(parts->result.stopped_early);
  EXPECT_EQ(parts->result.steps, whole->result.steps);
  EXPECT_EQ(parts->result.parameter_hash, whole->result.parameter_hash);
  const auto again = run(3, c, true);
  EXPECT_TRUE(again->result.stopped_early) << "it stays ended";
  EXPECT_TRUE(again->losses.empty());
  EXPECT_EQ(again->result.best->step, parts->result.best->step);
  c.run.stop_after = 4;
  const auto longer = run(3, c, true);
  EXPECT_GT(longer->losses.size(), 0U) << "until asked to have more patience";
}

// Rank 1 is asked to stop in the middle of an epoch, at its last step, and in an evaluation, which then is made later.
TEST_F(EarlyStop, ASignalChangesNothing) {
  const auto whole = run(3, early("unasked"));
  for (const int times : {5, 7, 8, 17}) {
    SCOPED_TRACE(times);
    const Config c = early(text("asked-", times));
    int asked = 0;
    const auto first = train(
        world_, c, {.resume = false, .on_step = {}, .stop = [&] { return ++asked > times && world_.rank() == 1; }});
    EXPECT_TRUE(first.stopped);
    EXPECT_FALSE(first.stopped_early);
    const auto after = run(3, c, true);
    EXPECT_TRUE(after->result.stopped_early);
    EXPECT_EQ(after->result.steps, whole->result.steps);
    EXPECT_EQ(after->result.parameter_hash, whole->result.parameter_hash);
    EXPECT_EQ(after->result.best->step, whole->result.best->step);
  }
}

// The checkpoint of the best evaluation is written where none was due.
TEST_F(EarlyStop, TheBestHasACheckpointWhereverItIs) {
  Config c = early("rarely");
  c.run.checkpoint_every = 1000;
  const auto outcome = run(3, c);
  if (world_.rank() != 0) return;
  const auto files = checkpoints("rarely");
  EXPECT_EQ(files.size(), 2U);
  EXPECT_EQ(result("rarely").at("best").at("checkpoint"), files.front());
  EXPECT_NE(files.front().find(std::to_string(outcome->result.best->step)), std::string::npos);
}

TEST_F(EarlyStop, TheMonitoredFigureMustBeOneOfTheModel) {
  Config c = early("wrong");
  c.run.monitor = "test_r2";
  const std::string message = agreed_error(c);
  EXPECT_EQ(message,
            "run.monitor = \"test_r2\": evaluations of this model have test_loss, test_accuracy, test_top5_accuracy");
  EXPECT_FALSE(fs::exists(path() / "wrong"));
}

// Whatever is looked at, the parameters have the bits of a run that looks at nothing.
TEST_F(EarlyStop, AllSwitchesTogetherChangeNoBit) {
  Config blind = config("convnet", "blind");
  blind.data.test.clear();
  blind.run.log_every = 100;
  Config looking = config("convnet", "looking");
  looking.run.checkpoint_every = 3;
  looking.run.log_gradient_norm = true;
  looking.run.tensorboard = true;
  looking.run.keep_best = true;
  looking.run.stop_after = 100;
  const auto plain = run(3, blind);
  const auto looked = run(3, looking);
  EXPECT_EQ(looked->result.parameter_hash, plain->result.parameter_hash);
  EXPECT_EQ(looked->losses, plain->losses);
  if (world_.rank() == 0) {
    EXPECT_TRUE(fs::exists(path() / "looking" / "tensorboard"));
    EXPECT_FALSE(fs::exists(path() / "blind" / "tensorboard"));
    EXPECT_FALSE(result("blind").contains("best"));
    EXPECT_EQ(result("looking").at("ended"), "after the last epoch");
  }
}

}  // namespace

}  // namespace tutti::trainer::test
