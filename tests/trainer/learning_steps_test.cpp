// Optimizers, groups, clipping, accumulation and averages in whole steps, on two ranks.
#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <string>
#include <string_view>
#include <vector>

#include <tutti/collectives/collectives.hpp>
#include <tutti/trainer/optimizers/optimizer.hpp>

#include "tests/trainer/step_loops.hpp"

namespace tutti::trainer::test {

namespace {

class LearningSteps : public StepLoopTest {
 protected:
  LearningSteps() { config_.optimizer = {.learning_rate = 0.02, .momentum = 0.9, .weight_decay = 0.01}; }

  void choose(std::string_view kind) {
    config_.optimizer = optimizer_defaults(kind);
    config_.optimizer.learning_rate = kind == "lars" ? 2.0 : 0.01;
    config_.optimizer.weight_decay = 0.01;
  }

  /// A step of micro-batches of these many samples, of which the first `ranks_with_samples` ranks have their parts.
  StepReport step_of(const Communicator& comm, std::uint64_t number, const std::vector<std::uint64_t>& sizes) {
    std::uint64_t total = 0;
    for (const std::uint64_t size : sizes) total += size;
    std::uint64_t first = number * 20;
    for (std::size_t i = 0; i + 1 < sizes.size(); first += sizes[i++])
      loop_->accumulate(Part(first, sizes[i], comm.rank(), comm.size()).samples(), total);
    const Part last(first, sizes.back(), comm.rank(), comm.size());
    return loop_->train_step(last.input(number, total));
  }

  std::vector<double> run(const Communicator& comm, const std::vector<std::vector<std::uint64_t>>& steps) {
    make(comm);
    for (std::size_t s = 0; s < steps.size(); ++s) losses_.push_back(step_of(comm, s, steps[s]).loss);
    return parameters();
  }

  void expect_near(const std::vector<double>& a, const std::vector<double>& b, double tolerance) {
    ASSERT_EQ(a.size(), b.size());
    for (std::size_t i = 0; i < a.size(); ++i) ASSERT_NEAR(a[i], b[i], tolerance) << i;
  }

  double size_of_change(const std::vector<double>& before) const {
    const std::vector<double> after = parameters();
    double sum = 0.0;
    for (std::size_t i = 0; i < after.size(); ++i) sum += (after[i] - before[i]) * (after[i] - before[i]);
    return std::sqrt(sum);
  }

  std::vector<double> losses_;
};

// The last micro-batch of a step may be shorter, and rank 1 without a part of it: of one sample rank 0 has all. A step
// may also have fewer micro-batches.
TEST_F(LearningSteps, NoOptimizerDependsOnRanksOrMicroBatches) {
  const std::vector<std::vector<std::uint64_t>> micro{{7, 6}, {7, 1}, {5, 5, 5}, {1}, {7, 7}, {3, 1}, {2, 7, 1}, {7}};
  std::vector<std::vector<std::uint64_t>> whole;
  for (const auto& sizes : micro) {
    std::uint64_t total = 0;
    for (const std::uint64_t size : sizes) total += size;
    whole.push_back({total});
  }
  const auto alone = world_.split(world_.rank());
  for (const auto kind : optimizer_names()) {
    SCOPED_TRACE(kind);
    choose(kind);
    losses_.clear();
    const auto expected = run(*alone, whole);
    const auto expected_losses = losses_;
    losses_.clear();
    expect_near(run(*alone, micro), expected, 1e-9);
    losses_.clear();
    expect_near(run(world_, micro), expected, 1e-9);
    expect_near(losses_, expected_losses, 1e-9);
  }
}

TEST_F(LearningSteps, EveryOptimizerLearns) {
  const auto alone = world_.split(world_.rank());
  for (const auto kind : optimizer_names()) {
    choose(kind);
    losses_.clear();
    run(*alone, std::vector<std::vector<std::uint64_t>>(40, {20}));
    EXPECT_LT(losses_.back(), 0.7 * losses_.front()) << kind;
  }
}

// Norms are those of tensors and of all of them in model order, so that buckets change no bit. (More ranks than one
// would: their sums are made bucket by bucket.)
TEST_F(LearningSteps, BucketsChangeNoBit) {
  const auto alone = world_.split(world_.rank());
  for (const auto kind : optimizer_names()) {
    choose(kind);
    config_.optimizer.clip_norm = 0.5;
    config_.optimizer.groups = {{.match = "*bias", .learning_rate_factor = 2.0, .weight_decay = 0.0, .adapt = false}};
    std::vector<std::vector<double>> results;
    for (const std::int64_t bytes : {1, 800, 1000000}) {
      config_.exchange.bucket_bytes = bytes;
      results.push_back(run(*alone, {{7}, {7, 3}, {7}}));
    }
    EXPECT_EQ(results[1], results[0]) << kind;
    EXPECT_EQ(results[2], results[0]) << kind;
  }
}

// With a rate of 1, no momentum and no decay, a step subtracts the gradient.
TEST_F(LearningSteps, GroupsHaveTheirOwnRateAndDecay) {
  config_.optimizer = {.learning_rate = 1.0, .momentum = 0.0, .weight_decay = 0.5};
  make(world_);
  const auto before = parameters();
  step(world_, 0);
  const auto plain = parameters();
  config_.optimizer.groups = {{.match = "*bias", .learning_rate_factor = 3.0},
                              {.match = "*.weight", .weight_decay = 0.0}};
  make(world_);
  step(world_, 0);
  const auto grouped = parameters();
  std::size_t i = 0;
  for (const ParameterInfo& info : loop_->parameters()) {
    const bool is_bias = info.name.ends_with("bias");
    for (std::size_t n = 0; n < info.count(); ++n, ++i)
      ASSERT_NEAR(grouped[i] - before[i], is_bias ? 3 * (plain[i] - before[i]) : plain[i] - before[i] + 0.5 * before[i],
                  1e-12)
          << info.name;
  }
}

// Without a trust ratio and momentum, lars subtracts the rate times gradient and decay, as sgd does.
TEST_F(LearningSteps, GroupsSayWhichTensorsAdapt) {
  const auto after_a_step = [&] {
    make(world_);
    step(world_, 0);
    return parameters();
  };
  config_.optimizer = {.learning_rate = 0.5, .momentum = 0.0, .weight_decay = 0.1};
  const auto plain = after_a_step();
  config_.optimizer.kind = "lars";
  const auto adapted = after_a_step();
  const std::string last = loop_->parameters()[2].name;
  ASSERT_TRUE(last.ends_with(".weight")) << last;
  config_.optimizer.groups = {{.match = last, .adapt = false}};
  const auto grouped = after_a_step();
  std::size_t i = 0;
  for (const ParameterInfo& info : loop_->parameters())
    for (std::size_t n = 0; n < info.count(); ++n, ++i)
      ASSERT_NEAR(grouped[i], info.name == last ? plain[i] : adapted[i], 1e-14) << info.name;
  EXPECT_NE(grouped, adapted);
  EXPECT_NE(grouped, plain);
}

TEST_F(LearningSteps, AGroupThatMatchesNothingIsTheSameErrorOnAllRanks) {
  config_.optimizer.groups = {{.match = "*.gamma"}};
  try {
    make(world_);
    ADD_FAILURE();
  } catch (const AgreedError& error) {
    EXPECT_EQ(std::string(error.what()).find("optimizer.group 1: match = \"*.gamma\" matches no parameter"), 0U)
        << error.what();
  }
}

TEST_F(LearningSteps, TheNormIsToldAndClipped) {
  config_.optimizer = {.learning_rate = 1.0, .momentum = 0.0};
  make(world_);
  auto before = parameters();
  EXPECT_FALSE(step(world_, 0).gradient_norm);
  const auto unclipped = parameters();
  const double expected = size_of_change(before);
  ASSERT_GT(expected, 0.1);

  config_.run.log_gradient_norm = true;
  make(world_);
  const StepReport told = step(world_, 0);
  ASSERT_TRUE(told.gradient_norm);
  EXPECT_NEAR(*told.gradient_norm, expected, 1e-12);
  EXPECT_EQ(parameters(), unclipped) << "looking changes nothing";
  EXPECT_TRUE(all_equal(world_, std::bit_cast<std::uint64_t>(*told.gradient_norm)));

  config_.run.log_gradient_norm = false;
  config_.optimizer.clip_norm = 0.1;
  make(world_);
  before = parameters();
  const StepReport clipped = step(world_, 0);
  EXPECT_EQ(clipped.gradient_norm, told.gradient_norm);
  EXPECT_NEAR(size_of_change(before), 0.1 * expected / (expected + 1e-6), 1e-12);

  config_.optimizer.clip_norm = 1e6;
  make(world_);
  step(world_, 0);
  EXPECT_EQ(parameters(), unclipped) << "what is below the limit stays";
}

TEST_F(LearningSteps, ValuesAreClipped) {
  config_.optimizer = {.learning_rate = 1.0, .momentum = 0.0};
  make(world_);
  const auto before = parameters();
  step(world_, 0);
  const auto unclipped = parameters();
  config_.optimizer.clip_value = 0.01;
  make(world_);
  step(world_, 0);
  const auto clipped = parameters();
  std::size_t at_limit = 0;
  for (std::size_t i = 0; i < before.size(); ++i) {
    const double change = std::clamp(unclipped[i] - before[i], -0.01, 0.01);
    ASSERT_NEAR(clipped[i] - before[i], change, 1e-12) << i;
    at_limit += std::abs(change) == 0.01 ? 1U : 0U;
  }
  EXPECT_GT(at_limit, 0U);
  EXPECT_LT(at_limit, before.size());
}

// A gradient that is not finite has no norm to be clipped to: the run stops, before any parameter is changed. In f64 a
// finite gradient may have a square that is not.
TEST_F(LearningSteps, WhatIsNotFiniteIsNotClipped) {
  for (const bool overflows : {true, false}) {
    config_.model.dtype = overflows ? "f32" : "f64";
    config_.data.scale = overflows ? 1e-6 : 1e-200;
    config_.exchange.compression = overflows ? "f16" : "none";
    config_.optimizer.clip_norm = 1.0;
    make(world_);
    std::vector<std::vector<std::byte>> before;
    const auto bytes = [&](std::size_t b) {
      const Buffer p = loop_->buckets().parameters(b);
      const auto* data = static_cast<const std::byte*>(p.data);
      return std::vector<std::byte>(data, data + p.size_bytes());
    };
    for (std::size_t b = 0; b < loop_->buckets().size(); ++b) before.push_back(bytes(b));
    try {
      step(world_, 0);
      ADD_FAILURE() << config_.model.dtype;
    } catch (const NotFiniteError& error) {
      const std::string message = error.what();
      EXPECT_EQ(message.find(overflows ? "the gradient of " : "the norm of the gradient of "), 0U) << message;
      EXPECT_NE(message.find(" is not finite at step 1"), std::string::npos) << message;
    }
    for (std::size_t b = 0; b < before.size(); ++b) EXPECT_EQ(bytes(b), before[b]) << b;
  }
}

// The average begins as the parameters after the first step, and is not part of what is learned from.
TEST_F(LearningSteps, AnAverageOfTheParametersIsKept) {
  make(world_);
  for (std::uint64_t s = 0; s < 5; ++s) step(world_, s);
  const auto without = parameters();
  config_.optimizer.ema_decay = 0.9;
  make(world_);
  ASSERT_EQ(loop_->buckets().slot_names().back(), "average");
  std::vector<double> expected;
  for (std::uint64_t s = 0; s < 5; ++s) {
    step(world_, s);
    const auto now = parameters();
    if (s == 0) expected = now;
    for (std::size_t i = 0; i < now.size(); ++i)
      if (s > 0) expected[i] = 0.9 * expected[i] + (1 - 0.9) * now[i];
  }
  EXPECT_EQ(parameters(), without);
  const auto average = loop_->with_average([&] { return parameters(); });
  expect_near(average, expected, 1e-14);
  EXPECT_NE(average, without);
  EXPECT_EQ(parameters(), without);
  EXPECT_THROW(loop_->with_average([]() -> int { throw DataError("in the middle"); }), DataError);
  EXPECT_EQ(parameters(), without);
}

TEST_F(LearningSteps, AFailureInAMicroBatchIsToldToAll) {
  make(world_);
  const auto before = parameters();
  const Part part(0, 7, world_.rank(), world_.size());
  loop_->accumulate(part.samples(), 14);
  loop_->attempt([&] {
    if (world_.rank() == 1) throw DataError("the disk is gone");
  });
  loop_->accumulate(part.samples(), 14);
  try {
    loop_->train_step(part.input(0, 14));
    ADD_FAILURE();
  } catch (const AgreedError& error) {
    EXPECT_STREQ(error.what(), "rank 1: the disk is gone");
  }
  EXPECT_EQ(parameters(), before);
}

TEST_F(LearningSteps, ALossThatIsNotFiniteInAMicroBatchStopsTheStep) {
  make(world_);
  const auto before = parameters();
  Part part(0, 7, world_.rank(), world_.size());
  const Part good = part;
  part.images[3] = std::numeric_limits<float>::infinity();
  loop_->accumulate(part.samples(), 14);
  EXPECT_THROW(loop_->train_step(good.input(0, 14)), NotFiniteError);
  EXPECT_EQ(parameters(), before);
}

}  // namespace

}  // namespace tutti::trainer::test
