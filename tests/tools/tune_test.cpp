// Which measured costs `tutti tune` does not believe.
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "tools/tune/suspicion.hpp"

namespace tutti::tools {
namespace {

TEST(Rounds, HaveAMedianAndQuartiles) {
  std::vector<double> samples = {11, 1, 10, 2, 9, 3, 8, 4, 7, 5, 6};
  const Rounds rounds = rounds_of(samples);
  EXPECT_EQ(rounds.median, 6);
  EXPECT_EQ(rounds.low, 3);
  EXPECT_EQ(rounds.high, 9);
  EXPECT_EQ(rounds.spread(), 3);
}

TEST(Suspicion, IsOfCostsFarFromBuiltInOnesAndOfThoseThatVary) {
  MeasuredLevel level{.costs = kSharedMemoryCosts};
  for (Rounds& rounds : level.rounds) rounds = {.median = 1, .low = 0.9, .high = 1.2};
  EXPECT_TRUE(find_suspicions("node", kSharedMemoryCosts, level).empty());
  level.costs.latency = 123 * kSharedMemoryCosts.latency;
  level.rounds[3].high = 2;
  const std::vector<std::string> found = find_suspicions("node", kSharedMemoryCosts, level);
  ASSERT_EQ(found.size(), 2U);
  EXPECT_EQ(found[0], "node.latency 36.9 us is 123 times the built-in 0.3");
  EXPECT_EQ(found[1], "node.byte varies: the middle half of its rounds spans a factor of 2.2");
}

}  // namespace
}  // namespace tutti::tools
