// Runs whose optimizer is sharded: the results of those where it is not, whoever goes on with them.
#include <gtest/gtest.h>

#include <cmath>
#include <map>
#include <string>
#include <vector>

#include <tutti/kernels/text.hpp>

#include "tests/trainer/training_runs.hpp"

namespace tutti::trainer::test {

namespace {

class ShardedRuns : public TrainingTest {
 protected:
  Config with(const std::string& kind, const std::string& run) const {
    Config c = config("mlp", run);
    c.model.dtype = "f64";
    c.optimizer = {.kind = "adam", .learning_rate = 0.01, .clip_norm = 1.0, .ema_decay = 0.9};
    c.run.evaluate_with = "average";
    c.exchange.kind = kind;
    c.exchange.bucket_bytes = 20000;  // one parameter is cut among ranks
    return c;
  }
};

TEST_F(ShardedRuns, AreThoseOfOneRank) {
  std::map<int, Outcome> outcomes;
  for (const int ranks : {1, 2, 3})
    if (auto outcome = run(ranks, with(ranks == 1 ? "allreduce" : "sharded", text("run-", ranks))))
      outcomes[ranks] = std::move(*outcome);
  if (world_.rank() != 0) return;
  const auto& alone = outcomes.at(1);
  for (const int ranks : {2, 3}) {
    const auto& its = outcomes.at(ranks);
    ASSERT_EQ(its.losses.size(), alone.losses.size());
    for (std::size_t i = 0; i < alone.losses.size(); ++i)
      EXPECT_NEAR(its.losses[i], alone.losses[i], 1e-9) << ranks << " ranks, step " << i + 1;
    ASSERT_TRUE(its.result.test);
    EXPECT_NEAR(its.result.test->loss, alone.result.test->loss, 1e-9 * 37) << "of the average";
  }
}

// Two numbers have one sum: with two ranks the bits are those of the other strategy. A checkpoint has no trace of who
// wrote it, so either strategy goes on with it, on any number of ranks.
TEST_F(ShardedRuns, GoOnWithEitherStrategyAndAnyRanks) {
  std::vector<std::string> hashes;
  for (const int ranks : {1, 2, 3})
    for (const std::string first : {"allreduce", "sharded"})
      for (const std::string second : {"allreduce", "sharded"}) {
        if (ranks == 3 && second == "sharded") continue;  // three have several sums
        Config c = with(first, text("run-", ranks, first, second));
        c.train.max_steps = 5;
        run(2, c);
        c.exchange.kind = second;
        c.train.max_steps = 9;
        if (const auto outcome = run(ranks, c, true)) hashes.push_back(outcome->result.parameter_hash);
      }
  if (world_.rank() != 0) return;
  ASSERT_EQ(hashes.size(), 10U);
  for (const std::size_t same : {1U, 2U, 3U}) EXPECT_EQ(hashes[same], hashes[0]);
  for (const std::size_t same : {5U, 6U, 7U}) EXPECT_EQ(hashes[same], hashes[4]);
  EXPECT_EQ(hashes[9], hashes[8]);
}

}  // namespace

}  // namespace tutti::trainer::test
