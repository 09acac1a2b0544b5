// The learning rate of each step, which needs nothing but its number.
#include <gtest/gtest.h>

#include <cmath>
#include <cstdint>
#include <utility>
#include <vector>

#include <tutti/trainer/config/config.hpp>
#include <tutti/trainer/optimizers/learning_rate.hpp>

namespace tutti::trainer::test {

namespace {

LearningRate rate_of(const Config& config, std::uint64_t steps_per_epoch, std::uint64_t steps = 0) {
  return {config.optimizer.learning_rate,
          config.schedule,
          config.train.batch_size,
          {.steps_per_epoch = steps_per_epoch, .steps = steps}};
}

TEST(LearningRate, ConstantWithWarmUpAndScaling) {
  Config config;
  config.optimizer.learning_rate = 0.1;
  config.schedule.warmup_steps = 4;
  config.schedule.base_batch = 64;
  config.train.batch_size = 256;
  const LearningRate rate = rate_of(config, 10);
  EXPECT_DOUBLE_EQ(rate.rate(0), 0.1);
  EXPECT_DOUBLE_EQ(rate.rate(1), 0.2);
  EXPECT_DOUBLE_EQ(rate.rate(3), 0.4);
  EXPECT_DOUBLE_EQ(rate.rate(4), 0.4);
  EXPECT_DOUBLE_EQ(rate.rate(1000000), 0.4);
}

TEST(LearningRate, StepsCountFractionsOfEpochs) {
  Config config;
  config.optimizer.learning_rate = 1.0;
  config.schedule.kind = "step";
  config.schedule.step_epochs = 1.5;
  config.schedule.gamma = 0.5;
  const LearningRate rate = rate_of(config, 10);
  EXPECT_DOUBLE_EQ(rate.rate(0), 1.0);
  EXPECT_DOUBLE_EQ(rate.rate(14), 1.0);
  EXPECT_DOUBLE_EQ(rate.rate(15), 0.5);
  EXPECT_DOUBLE_EQ(rate.rate(30), 0.25);
}

// Drops come where the decimal numbers say, not where binary products end up. 45 steps an epoch.
TEST(LearningRate, DropsAreNotLateByRounding) {
  Config config;
  config.optimizer.learning_rate = 1.0;
  config.schedule.kind = "step";
  config.schedule.gamma = 0.5;
  const std::vector<std::pair<double, std::vector<std::uint64_t>>> cases{
      {2.2, {99, 198, 297}}, {1.1, {50, 99, 149, 198}}, {4.4, {198, 396}}, {5.4, {243, 486}}, {1.0, {45, 90, 135}}};
  for (const auto& [epochs, drops] : cases) {
    config.schedule.step_epochs = epochs;
    const LearningRate rate = rate_of(config, 45);
    double expected = 1.0;
    std::size_t next = 0;
    for (std::uint64_t step = 0; step <= drops.back(); ++step) {
      if (step == drops[next]) {
        expected *= 0.5;
        ++next;
      }
      ASSERT_DOUBLE_EQ(rate.rate(step), expected) << epochs << " epochs, step " << step;
    }
  }
  // Every multiple of every tenth of an epoch, against whole numbers.
  for (std::uint64_t tenths = 1; tenths <= 60; ++tenths) {
    config.schedule.step_epochs = static_cast<double>(tenths) / 10;
    for (const std::uint64_t steps_per_epoch : {1U, 7U, 45U, 1000U}) {
      const LearningRate rate = rate_of(config, steps_per_epoch);
      for (std::uint64_t step = 0; step < 400; ++step)
        ASSERT_DOUBLE_EQ(rate.rate(step), std::pow(0.5, step * 10 / (tenths * steps_per_epoch)))
            << tenths << " tenths of " << steps_per_epoch << " steps, step " << step;
    }
  }
}

}  // namespace

}  // namespace tutti::trainer::test
