// numerics.reproducible = "ranks": whole runs on 1 to 8 ranks, which must have the same bits.
#include <gtest/gtest.h>

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <tests/support/draw.hpp>
#include <tutti/io/dataset_writer.hpp>
#include <tutti/kernels/text.hpp>
#include <tutti/trainer/optimizers/optimizer.hpp>

#include "tests/trainer/training_runs.hpp"

namespace tutti::trainer::test {

namespace {

using tutti::test::drawn;

/// What must not depend on the number of ranks.
struct Bits {
  std::string hash;
  std::vector<double> losses;
  double test_loss = 0.0;
  std::uint64_t correct = 0;
  std::vector<std::uint64_t> repeats;
  bool operator==(const Bits&) const = default;
};

class RanksTest : public TrainingTest {
 protected:
  static constexpr int kMostRanks = 8;

  void SetUp() override {
    TrainingTest::SetUp();
    if (world_.rank() == 0) write_text();
    barrier(world_);
  }

  void write_text() const {
    constexpr std::size_t kBytes = 17;
    std::string text;
    while (text.size() < kSamples * kBytes) text += "to be or not to be ";
    io::DatasetWriter writer(path() / "bytes",
                             {.name = "bytes", .fields = {{"text", DType::u8, {kBytes}}}, .samples = kSamples});
    const std::array<std::span<const std::byte>, 1> data{std::as_bytes(std::span(text)).first(kSamples * kBytes)};
    writer.append(kSamples, data);
    writer.finish();
  }

  Config base(const std::string& run) const {
    Config c = config("mlp", run);
    c.numerics.reproducible = "ranks";
    return c;
  }

  /// On every rank of the first `ranks`; the others wait, and get nothing.
  std::optional<Bits> bits(const Communicator& world, int ranks, const Config& config, bool resume = false) const {
    std::optional<Bits> bits;
    if (const auto part = world.split(world.rank() < ranks ? 0 : -1)) {
      bits.emplace();
      const TrainingResult result = train(*part, config, {.resume = resume, .on_step = [&](const StepReport& step) {
                                                            bits->losses.push_back(step.loss);
                                                            bits->repeats.push_back(step.repeats);
                                                          }});
      bits->hash = result.parameter_hash;
      if (result.test) {
        bits->test_loss = result.test->loss;
        bits->correct = result.test->correct;
      }
    }
    barrier(world_);
    return bits;
  }
  std::optional<Bits> bits(int ranks, const Config& config, bool resume = false) const {
    return bits(world_, ranks, config, resume);
  }

  /// Of rank 0.
  static void expect_equal(const std::optional<Bits>& a, const std::optional<Bits>& b) {
    if (!a || !b) return;
    EXPECT_EQ(a->hash, b->hash);
    EXPECT_EQ(a->losses, b->losses);
    EXPECT_EQ(a->test_loss, b->test_loss);
    EXPECT_EQ(a->correct, b->correct);
    EXPECT_EQ(a->repeats, b->repeats);
  }
};

using Change = std::function<void(Config&)>;

OptimizerOptions optimizer(std::string_view kind) {
  OptimizerOptions options = optimizer_defaults(kind);
  options.learning_rate = 0.01;
  return options;
}

const std::vector<std::pair<std::string, Change>>& changes() {
  static const std::vector<std::pair<std::string, Change>> all{
      {"mlp with dropout",
       [](Config& c) {
         c.model.dropout = 0.3;
         c.model.depth = 2;
       }},
      {"convnet, adam",
       [](Config& c) {
         c.model.name = "convnet";
         c.optimizer = optimizer("adam");
       }},
      {"arithmetic in bf16",
       [](Config& c) {
         c.model.name = "convnet";
         c.model.compute = "bf16";
         c.train.max_steps = 6;
       }},
      {"batch normalisation",
       [](Config& c) {
         c.model.batch_norm = true;
         c.train.batch_size = 42;  // and 17 in the last batch: no shard of one sample
         c.train.epochs = 3;
       }},
      {"gpt, adamw, clipping",
       [](Config& c) {
         c.data.train = c.data.test = (fs::path(c.data.train).parent_path() / "bytes").string();
         c.data.input = "text";
         c.model = {.name = "gpt", .dropout = 0.1, .layers = 1, .heads = 2, .width = 8};
         c.optimizer = optimizer("adamw");
         c.optimizer.clip_norm = 0.5;
       }},
      {"lamb, micro-batches of which the last step has fewer",
       [](Config& c) {
         c.optimizer = optimizer("lamb");
         c.optimizer.ema_decay = 0.9;
         c.run.evaluate_with = "average";
         c.train.accumulate = 3;
       }},
      {"lars, more shards than samples",
       [](Config& c) {
         c.optimizer = optimizer("lars");
         c.train.batch_size = 3;
         c.train.max_steps = 12;
         c.numerics.shards = 50;
       }},
      {"augmented pictures",
       [](Config& c) {
         c.augment = {.pad = 2, .padding = "reflect", .flip = true, .cutout = 3, .fill = {7.0}};
         c.data.threads = 2;
       }},
      {"contiguous order, a batch of everything",
       [](Config& c) {
         c.train.order = "contiguous";
         c.train.batch_size = 1000;
         c.numerics.shards = 11;
       }},
  };
  return all;
}

TEST_F(RanksTest, TheNumberOfRanksDoesNotMatter) {
  std::uint64_t number = 0;
  for (const auto& [what, change] : drawn(changes(), 4, 1)) {
    SCOPED_TRACE(what);
    std::optional<Bits> first;
    for (const int ranks : drawn(std::vector<int>{1, 2, 3, 4, 6, 8}, 3, 10 + number)) {
      SCOPED_TRACE(ranks);
      Config c = base(text("run-", number, "-", ranks));
      change(c);
      const auto now = bits(ranks, c);
      if (!first) first = now;
      expect_equal(now, first);
      if (now) {
        EXPECT_EQ(now->repeats[0], 1U) << "the first step measures";
      }
    }
    ++number;
  }
}

TEST_F(RanksTest, BucketsAlgorithmsAndMemoryDoNotMatter) {
  const auto configured = [&](const std::string& run) {
    Config c = base(run);
    c.model.hidden = 40;  // a tensor of several blocks
    c.train.max_steps = 6;
    return c;
  };
  const auto expected = bits(3, configured("plain"));
  const Communicator messages(MPI_COMM_WORLD,
                              {.timeout = std::chrono::seconds(60), .shared_memory = std::optional(false)});
  expect_equal(bits(messages, 4, configured("messages")), expected);
  for (const std::int64_t bytes : {1, 5000, 1000000}) {
    Config c = configured(text("buckets-", bytes));
    c.exchange.bucket_bytes = bytes;
    expect_equal(bits(2, c), expected);
  }
  for (const char* algorithm : {"ring", "recursive_doubling", "halving_doubling"}) {
    Config c = configured(text("algorithm-", algorithm));
    c.exchange.algorithm = algorithm;
    expect_equal(bits(messages, 5, c), expected);
  }
}

TEST_F(RanksTest, GoesOnWithAnotherNumberOfRanks) {
  for (const auto& drawn_one : drawn(changes(), 2, 2)) {
    SCOPED_TRACE(drawn_one.first);
    const auto configured = [&](const std::string& run) {
      Config c = base(run);
      drawn_one.second(c);
      c.run.evaluate_every = 0;
      return c;
    };
    const auto whole = bits(1, configured("whole"));
    std::optional<Bits> parts;
    for (const auto& [ranks, steps] : {std::pair(2, 1), std::pair(8, 3), std::pair(3, 0)}) {
      Config c = configured("parts");
      c.train.max_steps = steps == 0 ? c.train.max_steps : steps;
      c.exchange.bucket_bytes = 100 * ranks;
      const auto part = bits(ranks, c, /*resume=*/steps != 1);
      if (!part) continue;
      if (!parts) parts.emplace();
      parts->losses.insert(parts->losses.end(), part->losses.begin(), part->losses.end());
      parts->repeats.insert(parts->repeats.end(), part->repeats.begin(), part->repeats.end());
      parts->hash = part->hash;
      parts->test_loss = part->test_loss;
      parts->correct = part->correct;
    }
    expect_equal(parts, whole);
    if (folder_) {
      fs::remove_all(path() / "parts");
      fs::remove_all(path() / "whole");
    }
    barrier(world_);
  }
}

// Gradients grow beyond every scale again and again, until they are not finite.
TEST_F(RanksTest, StepsThatDoNotFitAreRepeated) {
  std::optional<Bits> first;
  for (const int ranks : {1, 3}) {
    Config c = base(text("growth-", ranks));
    c.model.name = "linear";
    c.model.loss = "mse";
    c.optimizer = optimizer("sgd");
    c.optimizer.learning_rate = 3.0;
    c.train.max_steps = 6;
    const auto now = bits(ranks, c);
    if (!first) first = now;
    expect_equal(now, first);
    if (now) {
      EXPECT_EQ(now->repeats, std::vector<std::uint64_t>(6, 1));
    }
  }
}

TEST_F(RanksTest, OtherLevelsBecomeThisOne) {
  Config c = base("changed");
  c.numerics.reproducible = "run";
  c.train.max_steps = 3;
  bits(2, c);
  c.numerics.reproducible = "ranks";
  c.train.max_steps = 6;
  const auto after = bits(2, c, true);
  if (after) {
    EXPECT_EQ(after->repeats[0], 1U) << "there were no scales";
  }
  c.numerics.reproducible = "run";
  c.train.max_steps = 0;
  const auto back = bits(3, c, true);
  if (back) {
    EXPECT_EQ(back->repeats[0], 0U);
  }
}

TEST_F(RanksTest, EveryRankNeedsAShard) {
  Config c = base("refused");
  c.numerics.shards = 7;
  try {
    train(world_, c);
    ADD_FAILURE() << "no error";
  } catch (const AgreedError& error) {
    expect_parts(error.what(), {"numerics.shards is 7", "8 ranks"});
  }
  if (folder_) {
    EXPECT_FALSE(fs::exists(path() / "refused"));
  }
}

TEST_F(RanksTest, AShardOfOneSampleCannotBeNormalised) {
  Config c = base("refused");
  c.model.batch_norm = true;
  try {
    train(world_, c);
    ADD_FAILURE() << "no error";
  } catch (const AgreedError& error) {
    expect_parts(error.what(), {"batch normalisation", "alone in shard"});
  }
}

}  // namespace

}  // namespace tutti::trainer::test
