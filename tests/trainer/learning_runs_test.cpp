// Whole runs with what a step may be made of: every optimizer, micro-batches, averages, clipping. Three ranks.
#include <gtest/gtest.h>

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include <tutti/kernels/text.hpp>
#include <tutti/trainer/optimizers/optimizer.hpp>

#include "tests/trainer/training_runs.hpp"

namespace tutti::trainer::test {

namespace {

class LearningRuns : public TrainingTest {
 protected:
  Config with_optimizer(std::string_view kind, const std::string& run) const {
    Config c = config("softmax", run);
    c.optimizer = optimizer_defaults(kind);
    c.optimizer.learning_rate = 0.01;
    return c;
  }
  nlohmann::json last_record(const std::string& run, const std::string& kind) const {
    nlohmann::json found;
    std::ifstream in(path() / run / "metrics.jsonl");
    for (std::string line; std::getline(in, line);)
      if (auto record = nlohmann::json::parse(line); record.at("kind") == kind) found = std::move(record);
    return found;
  }
};

// The bias corrections go on where they were, and so does the average: 4 steps an epoch, stopped after the third and in
// the second epoch.
TEST_F(LearningRuns, EveryOptimizerGoesOnWithTheSameBits) {
  for (const auto kind : optimizer_names()) {
    SCOPED_TRACE(kind);
    const auto configured = [&](const char* name) {
      Config c = with_optimizer(kind, text(kind, "-", name));
      c.train.accumulate = 2;
      c.optimizer.ema_decay = 0.9;
      c.run.evaluate_with = "average";
      c.optimizer.amsgrad = kind == "adam";
      c.optimizer.groups = {{.match = "*bias", .weight_decay = 0.0}};
      return c;
    };
    const auto whole = run(3, configured("whole"));
    Config part = configured("part");
    part.train.max_steps = 5;
    run(3, part);
    part.train.max_steps = 0;
    const auto after = run(3, part, true);
    EXPECT_EQ(after->result.parameter_hash, whole->result.parameter_hash);
    EXPECT_EQ(after->result.test->loss, whole->result.test->loss) << "of the average";
    EXPECT_EQ(after->result.steps, 8U);
  }
}

// Reports of norms, checkpoints and evaluations, also of the average, change no bit of the parameters.
TEST_F(LearningRuns, LookingChangesNothing) {
  const auto plain = run(3, with_optimizer("adamw", "plain"));
  Config looking = with_optimizer("adamw", "looking");
  looking.run.log_gradient_norm = true;
  looking.run.checkpoint_every = 1;
  looking.optimizer.ema_decay = 0.5;
  looking.run.evaluate_with = "average";
  const auto looked = run(3, looking);
  EXPECT_EQ(looked->result.parameter_hash, plain->result.parameter_hash);
  EXPECT_NE(looked->result.test->loss, plain->result.test->loss);
  if (world_.rank() == 0) {
    EXPECT_GT(last_record("looking", "step").at("gradient_norm").get<double>(), 0.0);
    EXPECT_FALSE(last_record("plain", "step").contains("gradient_norm"));
  }
}

// 101 samples in batches of 13 are 8, the last of 10: with 3 to a step 3 steps an epoch, the last of 2 batches.
TEST_F(LearningRuns, MicroBatchesDoNotDependOnRanks) {
  std::map<int, Outcome> outcomes;
  for (const int ranks : {1, 2, 3}) {
    Config c = with_optimizer("adam", text("micro-", ranks));
    c.model.dtype = "f64";
    c.train.accumulate = 3;
    if (auto outcome = run(ranks, c)) outcomes[ranks] = std::move(*outcome);
  }
  EXPECT_EQ(outcomes[3].result.steps, 6U);
  std::size_t samples = 0;
  for (const auto& ids : outcomes[3].ids) samples += ids.size();
  std::vector<std::uint64_t> all(3);
  const std::vector<std::uint64_t> mine{samples};
  all_gather(world_, std::span<const std::uint64_t>(mine), std::span<std::uint64_t>(all));
  EXPECT_EQ(all[0] + all[1] + all[2], 2 * kSamples);
  if (world_.rank() != 0) return;
  EXPECT_EQ(last_record("micro-3", "step").at("samples"), kSamples - 6 * std::uint64_t{13});
  for (const int ranks : {2, 3})
    for (std::size_t i = 0; i < 6; ++i)
      EXPECT_NEAR(outcomes[ranks].losses.at(i), outcomes[1].losses.at(i), 1e-9) << ranks << " ranks, step " << i + 1;
}

TEST_F(LearningRuns, NoOptimizerDependsOnRanks) {
  for (const auto kind : optimizer_names()) {
    std::map<int, Outcome> outcomes;
    for (const int ranks : {1, 3}) {
      Config c = with_optimizer(kind, text(kind, "-of-", ranks));
      c.model.dtype = "f64";
      c.data.test.clear();
      c.train.epochs = 1;
      c.train.batch_size = 2;  // rank 2 never has a sample
      c.train.accumulate = 4;
      c.optimizer.clip_norm = 1.0;
      if (auto outcome = run(ranks, c)) outcomes[ranks] = std::move(*outcome);
    }
    if (world_.rank() != 0) continue;
    ASSERT_EQ(outcomes[1].losses.size(), 13U);  // 51 batches
    for (std::size_t i = 0; i < 13; ++i)
      EXPECT_NEAR(outcomes[3].losses.at(i), outcomes[1].losses.at(i), 1e-9) << kind << ", step " << i + 1;
  }
}

// What makes a checkpoint useless for another configuration is refused; another end of a schedule that ends with the
// run is not, and changes the rates.
TEST_F(LearningRuns, ResumingKnowsWhatItsStateMeans) {
  Config c = with_optimizer("adam", "state");
  c.train.max_steps = 2;
  c.schedule.kind = "cosine";
  run(3, c);
  const auto refused = [&](auto change) {
    Config other = c;
    other.train.max_steps = 4;
    change(other);
    return agreed_error(other, true);
  };
  for (const auto& [message, part] : std::vector<std::pair<std::string, std::string>>{
           {refused([](Config& o) { o.optimizer.kind = "adamw"; }), "optimizer.kind is \"adamw\" and was \"adam\""},
           {refused([](Config& o) { o.train.accumulate = 2; }), "train.accumulate is 2 and was 1"},
           {refused([](Config& o) { o.optimizer.ema_decay = 0.5; }), "optimizer.ema_decay is 0.5 and was 0.0"},
           {refused([](Config& o) { o.optimizer.amsgrad = true; }), "optimizer.amsgrad is true and was false"}})
    EXPECT_NE(message.find(part), std::string::npos) << message;
  c.train.max_steps = 4;
  EXPECT_EQ(run(3, c, true)->result.steps, 4U);

  Config rms = with_optimizer("rmsprop", "rms");
  rms.train.max_steps = 1;
  run(3, rms);
  rms.optimizer.momentum = 0.5;
  const std::string message = agreed_error(rms, true);
  EXPECT_NE(message.find("the checkpoint has no tensor optimizer/momentum/"), std::string::npos) << message;
}

}  // namespace

}  // namespace tutti::trainer::test
