// What a run tells of itself, beside the loss: where its time goes, bytes and memory.
#include <gtest/gtest.h>

#include <cstdint>
#include <fstream>
#include <string>
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
  constexpr std::uint64_t kMuch = 400'000'000;
  EXPECT_LT(largest_memory(world_), kMuch);
  const std::vector<char> much(world_.rank() == 1 ? kMuch : 0, 'x');
  EXPECT_GE(largest_memory(world_), kMuch) << much.size();
}

TEST(MemoryUse, IsTheSystemsHighWaterMark) {
  EXPECT_EQ(high_water_in("Name:\tx\nVmPeak:\t  99 kB\nVmHWM:\t    2100 kB\nVmRSS:\t 5 kB\n"), 2100U * 1024);
  EXPECT_FALSE(high_water_in("Name:\tVmHWM:\nVmRSS:\t 5 kB\n"));
  EXPECT_FALSE(high_water_in("\nVmHWM: many"));
}

}  // namespace

}  // namespace tutti::trainer::test
