// The folder of a run: what may begin in it, what is kept, and that nothing is changed by what is refused.
#include <gtest/gtest.h>
#include <unistd.h>

#include <limits>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include <tutti/kernels/error.hpp>
#include <tutti/trainer/run/run_folder.hpp>

#include "tests/trainer/support.hpp"

namespace tutti::trainer::test {

namespace {

class RunFolderTest : public testing::Test {
 protected:
  template <class E = DataError>
  static std::string error(const std::function<void()>& call) {
    try {
      call();
    } catch (const E& thrown) {
      return thrown.what();
    }
    return "nothing was thrown";
  }

  static io::Checkpoint checkpoint(std::uint64_t step) {
    return {.description = "{\"step\": " + std::to_string(step) + "}", .tensors = {}};
  }
  fs::path file(std::uint64_t step) const {
    std::string digits = std::to_string(step);
    return run_ / "checkpoints" / ("step-" + std::string(12 - digits.size(), '0') + digits + ".h5");
  }
  static void damage(const fs::path& file) { fs::resize_file(file, fs::file_size(file) - 100); }

  /// The steps whose checkpoints are there, newest first as far as newest_checkpoint() sees them.
  std::uint64_t newest() const {
    RunFolder folder = RunFolder::open(run_);
    fs::path from;
    return nlohmann::json::parse(folder.newest_checkpoint(from).description).at("step");
  }

  TemporaryFolder temporary_;
  const fs::path run_ = temporary_.path() / "run";
};

TEST_F(RunFolderTest, BelongsToOneRunAtATime) {
  {
    RunFolder holder = RunFolder::create(run_);
    const std::string who = "in use by process " + std::to_string(::getpid()) + " on host ";
    expect_parts(error([&] { RunFolder::create(run_); }), {run_.string(), who});
    expect_parts(error([&] { RunFolder::open(run_); }), {run_.string(), who});
    const RunFolder moved = std::move(holder);
    expect_parts(error([&] { RunFolder::open(run_); }), {who});
  }
  EXPECT_NO_THROW(RunFolder::open(run_));
  EXPECT_FALSE(fs::exists(run_ / ".lock"));
}

// Whatever a start that ended early has left can be begun anew or resumed, one of the two.
TEST_F(RunFolderTest, AStartThatEndedEarlyIsNoDeadEnd) {
  { RunFolder::create(run_); }
  expect_parts(error([&] { newest(); }), {"no checkpoint to resume from", "start the run without --resume"});
  write_file(run_ / "checkpoints" / ".step-000000000000.h5.tmp", "cut off");
  {
    RunFolder again = RunFolder::create(run_);
    again.write_checkpoint(0, checkpoint(0), 3);  // and is killed before the records begin
  }
  expect_parts(error([&] { RunFolder::create(run_); }), {"already holds a run", "--resume", "--out"});
  {
    RunFolder resumed = RunFolder::open(run_);
    fs::path from;
    resumed.newest_checkpoint(from);
    EXPECT_EQ(from, file(0));
    resumed.resume_at(0, "config");
  }
  EXPECT_EQ(read_file(run_ / "config.toml"), "config");
  fs::remove(file(0));
  expect_parts(error([&] { newest(); }), {"no checkpoint to resume from", "--out"});
}

TEST_F(RunFolderTest, IsNotMixedUpWithOtherThings) {
  write_bars(temporary_.path() / "data", 5, 1);
  expect_parts(error([&] { RunFolder::create(temporary_.path() / "data"); }), {"data", "holds a data set", "--out"});
  { RunFolder::create(run_).write_checkpoint(3, checkpoint(3), 3); }
  expect_parts(error([&] { RunFolder::create(run_ / "checkpoints"); }), {"holds checkpoints of another run"});
  for (const char* name : {"config.toml", "metrics.jsonl", "result.json"}) {
    const fs::path folder = temporary_.path() / name;
    fs::create_directory(folder);
    write_file(folder / name, "mine");
    expect_parts(error([&] { RunFolder::create(folder); }), {folder.string(), "already holds a run"});
    EXPECT_EQ(read_file(folder / name), "mine");
  }
}

TEST_F(RunFolderTest, WhatWasJustWrittenIsNeverPruned) {
  {
    RunFolder folder = RunFolder::create(run_);
    for (const std::uint64_t step : {70, 80, 90}) folder.write_checkpoint(step, checkpoint(step), 2);
    EXPECT_FALSE(fs::exists(file(70)));
  }
  damage(file(90));
  {
    RunFolder folder = RunFolder::open(run_);
    fs::path from;
    folder.newest_checkpoint(from);
    ASSERT_EQ(from, file(80));
    folder.write_checkpoint(83, checkpoint(83), 1);
    EXPECT_FALSE(fs::exists(file(80)));
    folder.write_checkpoint(85, checkpoint(85), 1);
  }
  EXPECT_EQ(newest(), 85U);
  {
    RunFolder folder = RunFolder::open(run_);
    fs::path from;
    folder.newest_checkpoint(from);
    folder.write_checkpoint(91, checkpoint(91), 2);
    EXPECT_TRUE(fs::exists(file(85))) << "the damaged one of step 90 counted";
    folder.write_checkpoint(92, checkpoint(92), 2);
    EXPECT_FALSE(fs::exists(file(85)));
    EXPECT_FALSE(fs::exists(file(90)));
  }
  EXPECT_EQ(newest(), 92U);
}

TEST_F(RunFolderTest, TheProtectedCheckpointStays) {
  RunFolder folder = RunFolder::create(run_);
  folder.write_checkpoint(1, checkpoint(1), 1);
  folder.protect(1);
  for (const std::uint64_t step : {2, 3}) folder.write_checkpoint(step, checkpoint(step), 1);
  EXPECT_EQ(folder.checkpoint_file(1), fs::path("checkpoints") / file(1).filename());
  EXPECT_FALSE(folder.checkpoint_file(2));
  folder.protect(3);
  folder.prune(3, 1);
  EXPECT_FALSE(fs::exists(file(1)));
  EXPECT_TRUE(fs::exists(file(3)));
}

TEST_F(RunFolderTest, EvaluationsAreThoseUpToAStep) {
  RunFolder folder = RunFolder::create(run_);
  EXPECT_TRUE(folder.evaluations(9).empty());
  folder.begin("config");
  for (const std::uint64_t step : {2, 4, 6}) folder.log({{"kind", "evaluation"}, {"step", step}});
  write_file(run_ / "metrics.jsonl", read_file(run_ / "metrics.jsonl") +
                                         "{\"kind\":\"step\",\"step\":1}\n[]\n{\"kind\":7}\n" +
                                         "{\"kind\":\"evaluation\",\"step\":-1}\n{\"kind\":\"evaluation\",\"st");
  const auto found = folder.evaluations(4);
  ASSERT_EQ(found.size(), 2U);
  EXPECT_EQ(found[0].at("step"), 2);
  EXPECT_EQ(found[1].at("step"), 4);
}

TEST_F(RunFolderTest, OnlyFilesOfTheRightNameAreCheckpoints) {
  const std::vector<std::string> strays = {
      "step-best.h5",         "step-1.h5",  "step-0000000000099.h5", "step-000000000099.h5x", "step-.h5",
      "step-00000000009x.h5", "step-99.h5", "xstep-99.h5",           "step-+00000000099.h5"};
  {
    RunFolder folder = RunFolder::create(run_);
    for (const auto& stray : strays) io::write_checkpoint(run_ / "checkpoints" / stray, checkpoint(99));
    for (const std::uint64_t step : {1, 2, 3}) folder.write_checkpoint(step, checkpoint(step), 1);
  }
  for (const auto& stray : strays) EXPECT_TRUE(fs::exists(run_ / "checkpoints" / stray)) << stray;
  EXPECT_TRUE(fs::exists(file(3)));
  EXPECT_FALSE(fs::exists(file(2)));
  EXPECT_EQ(newest(), 3U);
}

TEST_F(RunFolderTest, ResumingKeepsRecordsUpToTheStep) {
  {
    RunFolder folder = RunFolder::create(run_);
    folder.write_checkpoint(2, checkpoint(2), 1);
    folder.begin("config");
    for (const std::uint64_t step : {1, 2, 3}) folder.log({{"kind", "step"}, {"step", step}});
    folder.write_result({{"test_loss", 0.5}});
  }
  const std::string odd = "{\"kind\":\"step\",\"step\":\"x\"}\n{\"kind\":7,\"step\":1}\n[1,2]\n\"words\"\n{}\n";
  const std::string metrics = read_file(run_ / "metrics.jsonl");
  write_file(run_ / "metrics.jsonl", odd + "not JSON\n" + metrics + "{\"kind\":\"evaluation\",\"st");
  RunFolder folder = RunFolder::open(run_);
  testing::internal::CaptureStderr();
  folder.resume_at(2, "config", false);
  expect_parts(testing::internal::GetCapturedStderr(), {"metrics.jsonl:6: left out"});
  EXPECT_EQ(read_file(run_ / "metrics.jsonl"),
            odd + "{\"kind\":\"step\",\"step\":1}\n{\"kind\":\"step\",\"step\":2}\n");
  EXPECT_TRUE(fs::exists(run_ / "result.json")) << "of a run that makes no more steps";
  folder.resume_at(2, "config", true);
  EXPECT_FALSE(fs::exists(run_ / "result.json"));
  EXPECT_FALSE(folder.last_evaluation());
}

// JSON would turn them into null, which stands for what there is not.
TEST_F(RunFolderTest, WhatIsNotANumberIsNotWritten) {
  RunFolder folder = RunFolder::create(run_);
  folder.begin("config");
  for (const double wrong : {std::numeric_limits<double>::quiet_NaN(), std::numeric_limits<double>::infinity()}) {
    expect_parts(error<Error>([&] { folder.log({{"kind", "step"}, {"lr", wrong}}); }), {"metrics.jsonl: lr is"});
    expect_parts(error<Error>([&] { folder.write_result({{"test_loss", wrong}}); }), {"result.json: test_loss is"});
  }
  EXPECT_EQ(read_file(run_ / "metrics.jsonl"), "");
  EXPECT_FALSE(fs::exists(run_ / "result.json"));
}

}  // namespace

}  // namespace tutti::trainer::test
