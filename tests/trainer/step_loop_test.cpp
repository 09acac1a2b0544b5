// Steps without a data set and without a run folder, on two ranks.
#include <gtest/gtest.h>

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <string>
#include <vector>

#include <tutti/kernels/error.hpp>

#include "tests/trainer/step_loops.hpp"

namespace tutti::trainer::test {

namespace {

TEST_F(StepLoopTest, TwoRanksMakeTheStepsOfOne) {
  constexpr std::uint64_t kSteps = 12;
  std::vector<double> losses;
  std::vector<double> expected;
  {
    const auto alone = world_.split(world_.rank());  // each rank by itself: all samples
    make(*alone);
    for (std::uint64_t s = 0; s < kSteps; ++s) losses.push_back(step(*alone, s).loss);
    expected = parameters();
    loop_.reset();
  }
  EXPECT_LT(losses.back(), 0.5 * losses.front());
  make(world_);
  for (std::uint64_t s = 0; s < kSteps; ++s) EXPECT_NEAR(step(world_, s).loss, losses[s], 1e-12) << "step " << s;
  const std::vector<double> together = parameters();
  ASSERT_EQ(together.size(), expected.size());
  for (std::size_t i = 0; i < together.size(); ++i) ASSERT_NEAR(together[i], expected[i], 1e-12) << i;
}

TEST_F(StepLoopTest, ARankWithoutSamplesTakesPart) {
  make(world_);
  const Part all(0, 0, 1);
  const StepReport report = loop_->train_step(world_.rank() == 0 ? all.input(0) : StepInput{.global_samples = kBatch});
  const std::vector<double> with_one = parameters();
  make(world_);
  EXPECT_NEAR(step(world_, 0).loss, report.loss, 1e-12);
  const std::vector<double> with_two = parameters();
  for (std::size_t i = 0; i < with_two.size(); ++i) ASSERT_NEAR(with_two[i], with_one[i], 1e-12) << i;
}

TEST_F(StepLoopTest, ReportsCountFromOneAndStateTheRate) {
  config_.optimizer.learning_rate = 0.4;
  config_.schedule.warmup_steps = 4;
  make(world_);
  for (std::uint64_t s = 0; s < 5; ++s) {
    const Part part(s, world_.rank(), world_.size());
    const StepReport report = loop_->train_step(part.input(s));
    EXPECT_EQ(report.step, s + 1);
    EXPECT_EQ(report.epoch, s / kStepsPerEpoch + 1);
    EXPECT_EQ(report.samples, kBatch);
    EXPECT_DOUBLE_EQ(report.learning_rate, s < 3 ? 0.1 * static_cast<double>(s + 1) : 0.4);
    EXPECT_EQ(report.ids.size(), part.ids.size());
    EXPECT_GE(report.exposed_seconds, 0.0);
    EXPECT_FALSE(report.stop);
  }
}

TEST_F(StepLoopTest, OneRankThatIsAskedToStopStopsAll) {
  make(world_);
  int asked = 0;
  for (std::uint64_t s = 0; s < 3; ++s) {
    const Part part(s, world_.rank(), world_.size());
    const StepReport report = loop_->train_step(part.input(s), [&] { return ++asked == 2 && world_.rank() == 1; });
    EXPECT_EQ(report.stop, s == 1) << s;
  }
  EXPECT_EQ(asked, 3);
}

TEST_F(StepLoopTest, WhatFailsOnOneRankIsToldToAllBeforeTheUpdate) {
  make(world_);
  const std::vector<double> before = parameters();
  loop_->attempt([&] {
    if (world_.rank() == 1) throw DataError("the disk is gone");
  });
  bool again = false;
  loop_->attempt([&] { again = true; });
  EXPECT_EQ(again, world_.rank() == 0);  // nothing is tried after a failure
  try {
    step(world_, 0);
    ADD_FAILURE();
  } catch (const AgreedError& error) {
    EXPECT_STREQ(error.what(), "rank 1: the disk is gone");
  }
  EXPECT_EQ(parameters(), before);
  EXPECT_THROW(loop_->settle_failures(), AgreedError);
}

TEST_F(StepLoopTest, ALossThatIsNotFiniteNamesItsSamples) {
  make(world_);
  step(world_, 3);
  const std::vector<double> before = parameters();
  Part part(4, world_.rank(), world_.size());
  if (world_.rank() == 1) part.images[5] = std::numeric_limits<float>::quiet_NaN();
  try {
    loop_->train_step(part.input(4));
    ADD_FAILURE();
  } catch (const NotFiniteError& error) {
    EXPECT_STREQ(error.what(), "the loss is nan at step 5 (batch 2 of epoch 2); on rank 1: 3 samples, ids 32 to 34");
  }
  EXPECT_EQ(parameters(), before);
}

TEST_F(StepLoopTest, AGradientThatIsNotFiniteIsNamed) {
  config_.model.dtype = "f32";
  config_.data.scale = 1e-6;
  config_.exchange.compression = "f16";
  make(world_);
  try {
    step(world_, 0);
    ADD_FAILURE();
  } catch (const NotFiniteError& error) {
    EXPECT_NE(std::string(error.what()).find(" is not finite at step 1 (batch 1 of epoch 1); exchange.compression"),
              std::string::npos)
        << error.what();
  }
}

TEST_F(StepLoopTest, WrongOptionsAreTheSameErrorOnAllRanks) {
  const auto expect_error = [&](const std::string& message) {
    try {
      make(world_);
      ADD_FAILURE() << message;
    } catch (const AgreedError& error) {
      EXPECT_EQ(error.what(), message);
    }
  };
  const Config right = config_;
  config_.model.name = "resnet";
  expect_error(
      "unknown model 'resnet'; known: softmax, mlp, convnet, lenet5, linear, logistic, vgg11, resnet18, resnet34, "
      "resnet50, gpt");
  config_ = right;
  config_.exchange.algorithm = "pigeon";
  expect_error("exchange.algorithm = \"pigeon\": there is no such allreduce");
  config_ = right;
  config_.exchange.kind = "gossip";
  expect_error("unknown exchange 'gossip'; known: allreduce, sharded");
  config_ = right;
  config_.optimizer.kind = "newton";
  expect_error("unknown optimizer 'newton'; known: sgd, adam, adamw, adagrad, rmsprop, lars, lamb");
}

}  // namespace

}  // namespace tutti::trainer::test
