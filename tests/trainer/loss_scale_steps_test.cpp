// Steps with a scaled loss, whose gradients travel as f16.
#include <gtest/gtest.h>

#include <cmath>
#include <cstdint>
#include <string>
#include <vector>

#include <tutti/kernels/finite.hpp>

#include "tests/trainer/step_loops.hpp"

namespace tutti::trainer::test {

namespace {

class ScaledSteps : public StepLoopTest {
 protected:
  ScaledSteps() {
    config_.model.dtype = "f32";
    config_.data.scale = 255.0;
    config_.exchange.compression = "f16";
    config_.optimizer = {.kind = "adam", .learning_rate = 0.01, .ema_decay = 0.9};
    config_.schedule.warmup_steps = 5;
  }

  /// Everything that a step changes: parameters, slots, average.
  std::vector<float> state() const {
    std::vector<float> all;
    const auto add = [&](Buffer memory) {
      const auto* values = static_cast<const float*>(memory.data);
      all.insert(all.end(), values, values + memory.count);
    };
    for (std::size_t b = 0; b < loop_->buckets().size(); ++b) add(loop_->buckets().parameters(b));
    for (std::size_t slot = 0; slot < loop_->buckets().slot_names().size(); ++slot) add(loop_->buckets().slot(slot));
    return all;
  }

  std::vector<float> gradients() const {
    std::vector<float> all;
    for (std::size_t b = 0; b < loop_->buckets().size(); ++b) {
      const Buffer memory = loop_->buckets().gradients(b);
      const auto* values = static_cast<const float*>(memory.data);
      all.insert(all.end(), values, values + memory.count);
    }
    return all;
  }
};

class SkippedSteps : public ScaledSteps, public testing::WithParamInterface<const char*> {};

TEST_P(SkippedSteps, AreNoneForOptimizerAndSchedule) {
  config_.optimizer.kind = GetParam();  // with two slots, and the average
  config_.data.scale = 0.01;            // gradients of some thousands: times 65536 they are beyond f16
  config_.numerics.loss_scale = "dynamic";
  make(world_);
  const std::vector<float> begin = state();
  std::uint64_t number = 0;
  double scale = 65536.0;
  StepReport report;
  for (;; ++number) {
    const Part part(0, kBatch, world_.rank(), world_.size());
    report = loop_->train_step(part.input(number));
    EXPECT_EQ(report.loss_scale, scale);
    if (report.skipped_steps == number) break;
    ASSERT_EQ(report.skipped_steps, number + 1);
    EXPECT_FALSE(report.gradient_norm);
    scale /= 2.0;
    std::vector<float> now = state();
    for (std::size_t i = now.size() / 4 * 3; i < now.size(); ++i) now[i] = begin[i];  // the average, which has begun
    EXPECT_EQ(now, begin) << number;
  }
  EXPECT_GT(number, 2U);
  EXPECT_LT(number, 16U);
  step(world_, number + 1);
  const std::vector<float> skipping = state();

  // The same two steps, and none that was skipped.
  config_.numerics.loss_scale = std::to_string(static_cast<std::uint64_t>(scale));
  make(world_);
  const Part part(0, kBatch, world_.rank(), world_.size());
  EXPECT_EQ(loop_->train_step(part.input(0)).learning_rate, report.learning_rate);
  const Part next(number + 1, world_.rank(), world_.size());
  loop_->train_step(next.input(1));
  EXPECT_EQ(state(), skipping);
}

INSTANTIATE_TEST_SUITE_P(All, SkippedSteps, testing::Values("adam", "lamb"));

// Those of the output, which are exchanged first, are small, those of the hidden layer beyond f16.
TEST_F(ScaledSteps, ALaterBucketThatIsNotFiniteKeepsAnEarlierOneFromItsUpdate) {
  config_.exchange.bucket_bytes = 64;
  config_.numerics.loss_scale = "dynamic";
  make(world_);
  step(world_, 0);
  for (std::size_t i = 0; i < loop_->parameters().size(); ++i) {
    const Buffer parameter = loop_->buckets().parameter(i);
    if (loop_->parameters()[i].name != "output.weight") continue;
    for (std::size_t j = 0; j < parameter.count; ++j) static_cast<float*>(parameter.data)[j] *= 1000.0F;
  }
  const std::vector<float> before = state();
  EXPECT_EQ(step(world_, 1).skipped_steps, 1U);
  EXPECT_EQ(state(), before);
  EXPECT_TRUE(all_finite(loop_->buckets().gradients(0)));
}

TEST_F(ScaledSteps, AnAverageBeforeTheFirstUpdateIsOfTheParameters) {
  config_.data.scale = 0.01;
  config_.numerics.loss_scale = "dynamic";
  make(world_);
  EXPECT_EQ(step(world_, 0).skipped_steps, 1U);
  const std::vector<float> before = state();
  std::vector<float> average;
  loop_->with_average([&] { return (average = state()).size(); });
  average.resize(10);
  EXPECT_EQ(average, std::vector(before.begin(), before.begin() + 10));
}

TEST_F(ScaledSteps, WhatIsNotFiniteUnscaledIsAnError) {
  config_.data.scale = 1e-6;
  config_.numerics.loss_scale = "dynamic";
  make(world_);
  std::string message;
  std::uint64_t number = 0;
  try {
    for (const Part part(0, world_.rank(), world_.size()); number < 20; ++number) loop_->train_step(part.input(number));
  } catch (const NotFiniteError& error) {
    message = error.what();
  }
  EXPECT_EQ(number, 16U);
  EXPECT_NE(message.find(" is not finite at step 17 "), std::string::npos) << message;
}

TEST_F(ScaledSteps, SmallGradientsArrive) {
  config_.data.scale = 2.55e9;  // gradients of the hidden weights are about 1e-9: nothing in f16
  std::vector<std::vector<float>> of;
  for (const char* loss_scale : {"none", "65536", "1"}) {
    config_.exchange.compression = of.empty() ? "none" : "f16";
    config_.numerics.loss_scale = loss_scale;
    make(world_);
    step(world_, 0);
    of.push_back(gradients());
  }
  double length = 0.0;
  double scaled = 0.0;
  double unscaled = 0.0;
  for (std::size_t i = 0; i < of[0].size(); ++i) {
    if (std::abs(of[0][i]) > 1e-7F) continue;  // those of biases and of the output
    length += std::pow(of[0][i], 2.0);
    scaled += std::pow(of[0][i] - of[1][i], 2.0);
    unscaled += std::pow(of[0][i] - of[2][i], 2.0);
  }
  EXPECT_GT(length, 0.0);
  EXPECT_LT(std::sqrt(scaled / length), 0.05);
  EXPECT_GT(std::sqrt(unscaled / length), 0.9);
}

TEST_F(ScaledSteps, MicroBatchesClippingAndNormsAreOfTheUnscaledGradient) {
  config_.optimizer.clip_norm = 0.01;
  std::vector<std::vector<float>> states;
  std::vector<double> norms;
  for (const char* loss_scale : {"1024", "8192", "dynamic"}) {
    config_.numerics.loss_scale = loss_scale;
    make(world_);
    for (std::uint64_t s = 0; s < 3; ++s) {
      const Part first(2 * s, world_.rank(), world_.size());
      const Part second(2 * s + 1, world_.rank(), world_.size());
      loop_->accumulate(first.samples(), 2 * kBatch);
      norms.push_back(*loop_->train_step(second.input(s, 2 * kBatch)).gradient_norm);
    }
    states.push_back(state());
  }
  for (std::size_t i = 0; i < 3; ++i) {
    EXPECT_GT(norms[i], 0.01);
    EXPECT_NEAR(norms[3 + i], norms[i], 1e-3 * norms[i]);
    EXPECT_NEAR(norms[6 + i], norms[i], 1e-3 * norms[i]);
  }
  for (std::size_t i = 0; i < states[0].size(); ++i) {
    ASSERT_NEAR(states[1][i], states[0][i], 1e-3) << i;
    ASSERT_NEAR(states[2][i], states[0][i], 1e-3) << i;
  }
}

}  // namespace

}  // namespace tutti::trainer::test
