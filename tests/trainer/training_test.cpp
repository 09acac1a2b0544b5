// The promises of a training run, each tried on small data with 1, 2 and 3 ranks: same losses whatever the number of
// ranks, every sample once an epoch, same bits twice, same bits after a stop. Runs on three ranks, of which the first P
// train together.
#include <gtest/gtest.h>
#include <mpi.h>

#include <cmath>
#include <functional>
#include <limits>
#include <map>
#include <optional>

#include <nlohmann/json.hpp>

#include <tutti/allreduce/allreduce.hpp>
#include <tutti/collectives/collectives.hpp>
#include <tutti/trainer/agreement.hpp>
#include <tutti/trainer/exchange.hpp>
#include <tutti/trainer/training.hpp>

#include "tests/trainer/support.hpp"

namespace tutti::trainer::test {

namespace {

struct Outcome {
  TrainingResult result;
  std::vector<double> losses;                   // by step
  std::vector<std::vector<std::uint64_t>> ids;  // this rank's, by step
};

class TrainingTest : public testing::Test {
 protected:
  static constexpr std::uint64_t kSamples = 101;  // prime: no batch size, number of ranks or of shards divides it

  void SetUp() override {
    if (world_.rank() == 0) {
      folder_.emplace();
      write_bars(path() / "train", kSamples, 3);
      write_bars(path() / "test", 37, 2);
    }
    const std::string name = broadcast_text(world_, folder_ ? folder_->path().string() : "");
    root_ = name;
  }
  void TearDown() override { barrier(world_); }

  const fs::path& path() const { return folder_ ? folder_->path() : root_; }

  Config config(const std::string& model, const std::string& run) const {
    Config config;
    config.data.train = (path() / "train").string();
    config.data.test = (path() / "test").string();
    config.data.mean = 0.3;
    config.data.std = 0.25;
    config.model = {.name = model, .hidden = 10, .channels = 4, .stride = 1, .dtype = "f32"};
    config.train.epochs = 2;
    config.train.batch_size = 13;
    config.train.threads = 1;
    config.train.deadline_s = 60;
    config.optimizer = {.learning_rate = 0.05, .momentum = 0.9, .nesterov = true, .weight_decay = 1e-4};
    config.exchange.bucket_bytes = 512;
    config.run.dir = (path() / run).string();
    config.run.progress = "none";
    return config;
  }

  /// Trains with the first `ranks` ranks; the others get nothing.
  std::optional<Outcome> run(int ranks, const Config& config, bool resume = false) const {
    const auto part = world_.split(world_.rank() < ranks ? 0 : -1);
    if (!part) return std::nullopt;
    Outcome outcome;
    outcome.result = train(*part, config, {.resume = resume, .on_step = [&](const StepReport& step) {
                                             outcome.losses.push_back(step.loss);
                                             outcome.ids.emplace_back(step.ids.begin(), step.ids.end());
                                           }});
    return outcome;
  }

  /// What train() says, on all three ranks, which must be the same everywhere.
  std::string agreed_error(const Config& config, bool resume = false) const {
    std::string message;
    try {
      run(3, config, resume);
      ADD_FAILURE() << "no error";
    } catch (const AgreedError& error) {
      message = error.what();
    }
    EXPECT_EQ(message, broadcast_text(world_, message));
    EXPECT_EQ(message.find('\n'), std::string::npos) << "not one line: " << message;
    return message;
  }

  std::vector<std::uint64_t> logged_steps(const std::string& run) const {
    std::vector<std::uint64_t> steps;
    std::ifstream in(path() / run / "metrics.jsonl");
    for (std::string line; std::getline(in, line);) {
      const auto record = nlohmann::json::parse(line);
      if (record.at("kind") == "step") steps.push_back(record.at("step"));
    }
    return steps;
  }

  const Communicator world_{MPI_COMM_WORLD, {.deadline = std::chrono::seconds(60)}};
  std::optional<TemporaryFolder> folder_;
  fs::path root_;
};

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

TEST_F(TrainingTest, LossThatIsNotANumberStopsAllRanks) {
  if (world_.rank() == 0) {
    io::DatasetWriter writer(path() / "nan", {.name = "nan",
                                              .fields = {{"image", DType::f32, {4}}, {"label", DType::u8, {}}},
                                              .samples = 24,
                                              .shards = 1,
                                              .classes = 2});
    std::vector<float> images(24 * 4, 1.0F);
    images[8 * 4] = std::numeric_limits<float>::quiet_NaN();
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

// ---- The exchange alone

class SyncSgdTest : public testing::Test {
 protected:
  static void fill(Buffer values, float value) { std::fill_n(static_cast<float*>(values.data), values.count, value); }
  static float at(Buffer values, std::size_t i) { return static_cast<const float*>(values.data)[i]; }

  const Communicator world_{MPI_COMM_WORLD, {.deadline = std::chrono::seconds(60)}};
  const std::vector<ParameterInfo> infos_{{"a", {100}, 0}, {"b", {7}, 0}, {"c", {33}, 0}, {"d", {1}, 0}};
};

TEST_F(SyncSgdTest, AddsUpWhateverTheOrderAndWhateverIsMissing) {
  const auto rank = static_cast<std::size_t>(world_.rank());
  for (const std::int64_t bucket_bytes : {1, 200, 100000}) {
    const Buckets buckets(world_, plan_buckets(infos_, DType::f32, static_cast<std::size_t>(bucket_bytes)), DType::f32);
    const Config::Exchange options{
        .kind = "sync_sgd", .bucket_bytes = bucket_bytes, .compression = "none", .algorithm = ""};
    const auto exchange = make_exchange({world_, buckets, options});
    for (std::size_t step = 0; step < 3; ++step) {
      for (std::size_t b = 0; b < buckets.size(); ++b) fill(buckets.parameters(b), 0.0F);
      exchange->begin();
      for (std::size_t i = 0; i < infos_.size(); ++i) {
        const std::size_t parameter = (i + rank + step) % infos_.size();  // another order on every rank
        if (parameter == rank) continue;                                  // rank r has no gradient of parameter r
        fill(buckets.gradient(parameter), static_cast<float>((rank + 1) * (parameter + 1)));
        exchange->gradient_ready(parameter);
      }
      exchange->finish({.learning_rate = 1.0});
      for (std::size_t parameter = 0; parameter < infos_.size(); ++parameter) {
        std::size_t weights = 1 + 2 + 3;
        if (parameter < 3) weights -= parameter + 1;
        const auto expected = -static_cast<float>(weights * (parameter + 1));
        EXPECT_EQ(at(buckets.parameter(parameter), 0), expected) << "parameter " << parameter << ", step " << step;
        EXPECT_EQ(at(buckets.parameter(parameter), infos_[parameter].count() - 1), expected);
      }
    }
  }
}

TEST_F(SyncSgdTest, DiscardLeavesParametersAndNothingUnderWay) {
  const Buckets buckets(world_, plan_buckets(infos_, DType::f32, 200), DType::f32);
  const Config::Exchange options;
  const auto exchange = make_exchange({world_, buckets, options});
  exchange->begin();
  if (world_.rank() == 1) exchange->gradient_ready(3);
  exchange->discard();
  EXPECT_EQ(at(buckets.parameter(0), 0), 0.0F);
  std::vector<std::int32_t> one{1};
  allreduce(world_, std::span<std::int32_t>(one), ReduceOp::sum);  // calls still match
  EXPECT_EQ(one[0], 3);
}

TEST_F(SyncSgdTest, UnknownStrategyIsNamed) {
  const Buckets buckets(world_, plan_buckets(infos_, DType::f32, 200), DType::f32);
  Config::Exchange options;
  options.kind = "gossip";
  EXPECT_THROW(make_exchange({world_, buckets, options}), InvalidArgument);
}

}  // namespace

}  // namespace tutti::trainer::test
