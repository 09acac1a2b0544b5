// What every schedule gives at its first, last and every boundary step, and past its end.
#include <gtest/gtest.h>

#include <cmath>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include <tutti/kernels/error.hpp>
#include <tutti/trainer/optimizers/learning_rate.hpp>

namespace tutti::trainer::test {

namespace {

using Values = std::vector<std::pair<std::uint64_t, double>>;

struct ScheduleCase {
  std::string name;
  ScheduleOptions options;
  std::uint64_t steps;
  Values values;  // step and rate, for a learning rate of 1 and an epoch of one step
};

/// Values of steps 0, 1, 2, ...
Values from_zero(const std::vector<double>& rates) {
  Values values;
  for (const double rate : rates) values.emplace_back(values.size(), rate);
  return values;
}

/// Numbers of torch's schedulers (version 1.13), but past the end, where those of torch rise again or fail.
std::vector<ScheduleCase> schedule_cases() {
  const ScheduleOptions one_cycle{.kind = "one_cycle", .final_factor = 4e-6};
  return {
      {"constant", {.kind = "constant"}, 0, {{0, 1}, {1000000000000, 1}}},
      {"step",
       {.kind = "step", .step_epochs = 3},
       6,
       {{0, 1}, {2, 1}, {3, .1}, {5, .1}, {6, .01}, {7, .01}, {9, .001}}},
      {"multi_step",
       {.kind = "multi_step", .milestone_epochs = "3, 5,5"},
       6,
       {{0, 1}, {2, 1}, {3, .1}, {4, .1}, {5, .001}, {6, .001}, {1000, .001}}},
      {"multi_step, a fraction of an epoch", {.kind = "multi_step", .milestone_epochs = "2.5"}, 6, {{2, 1}, {3, .1}}},
      {"cosine",
       {.kind = "cosine", .final_factor = .1},
       4,
       from_zero({1, .868198051534, .55, .231801948466, .1, .1, .1, .1, .1})},
      {"cosine, to zero", {.kind = "cosine"}, 4, from_zero({1, .853553390593, .5, .146446609407, 0, 0})},
      {"cosine, its own end",
       {.kind = "cosine", .end_epochs = 4, .final_factor = .1},
       100,
       {{2, .55}, {4, .1}, {99, .1}}},
      {"cosine after a warm-up",
       {.kind = "cosine", .warmup_steps = 2},
       6,
       from_zero({.5, 1, 1, .853553390593, .5, .146446609407, 0, 0})},
      {"cosine with restarts",
       {.kind = "cosine", .final_factor = .1, .restart_epochs = 3, .restart_factor = 2},
       12,
       {{0, 1},
        {1, .775},
        {2, .325},
        {3, 1},
        {4, .939711431703},
        {6, .55},
        {8, .160288568297},
        {9, 1},
        {10, .98466662183},
        {20, .115333378170},
        {21, 1}}},
      {"cosine with equal restarts",
       {.kind = "cosine", .final_factor = .1, .restart_epochs = 3},
       12,
       {{0, 1}, {1, .775}, {2, .325}, {3, 1}, {5, .325}, {3000000, 1}, {3000001, .775}}},
      {"polynomial", {.kind = "polynomial", .power = 2}, 4, from_zero({1, .5625, .25, .0625, 0, 0, 0})},
      {"polynomial, linear, not to zero",
       {.kind = "polynomial", .final_factor = .5},
       4,
       from_zero({1, .875, .75, .625, .5, .5})},
      {"polynomial after a warm-up",
       {.kind = "polynomial", .warmup_steps = 1},
       5,
       from_zero({1, 1, .75, .5, .25, 0, 0})},
      {"one_cycle of 10 steps", one_cycle, 10,
       from_zero({.04, .52, 1, .950484632013, .81174565395, .611262021936, .388741978064, .18825834605, .0495193679865,
                  .000004, .000004, .000004})},
      {"one_cycle of 100 steps",
       one_cycle,
       100,
       {{0, .04},
        {1, .0428137805659},
        {15, .545986676121},
        {29, 1},
        {30, .999496535285},
        {50, .793893450576},
        {98, .000507464715476},
        {99, .000004},
        {100, .000004},
        {1000, .000004}}},
      {"one_cycle of one step", one_cycle, 1, {{0, .000004}, {1, .000004}}},
      {"warm-up", {.kind = "constant", .warmup_steps = 4}, 0, from_zero({.25, .5, .75, 1, 1, 1})},
      {"warm-up and drops", {.kind = "step", .warmup_steps = 2, .step_epochs = 2}, 0, from_zero({.5, 1, .1, .1, .01})},
  };
}

TEST(Schedules, AtEveryBoundary) {
  for (const ScheduleCase& c : schedule_cases()) {
    const LearningRate rate(1.0, c.options, 128, {.steps_per_epoch = 1, .steps = c.steps});
    for (const auto& [step, expected] : c.values)
      EXPECT_NEAR(rate.rate(step), expected, 1e-11) << c.name << ", step " << step;
  }
}

// The peak of 7 steps is between two of them: step 1.1.
TEST(Schedules, APeakBetweenStepsIsNotReached) {
  const LearningRate rate(1.0, {.kind = "one_cycle", .final_factor = 4e-6}, 1, {.steps_per_epoch = 1, .steps = 7});
  EXPECT_DOUBLE_EQ(rate.rate(0), 0.04);
  EXPECT_NEAR(rate.rate(1), 1 - 0.96 * (1 + std::cos(M_PI / 1.1)) / 2, 1e-12);
  EXPECT_LT(rate.rate(2), 1.0);
  EXPECT_DOUBLE_EQ(rate.rate(6), 4e-6);
}

// A run that is resumed with another end has the rates of a run that had this end from the start; with an end of its
// own the schedule does not ask how long the run is.
TEST(Schedules, AfterAResumeWithAnotherEnd) {
  for (const char* kind : {"cosine", "polynomial", "one_cycle"}) {
    ScheduleOptions options{.kind = kind};
    const LearningRate shorter(1.0, options, 1, {.steps_per_epoch = 5, .steps = 20});
    const LearningRate longer(1.0, options, 1, {.steps_per_epoch = 5, .steps = 40});
    EXPECT_TRUE(ends_with_run(options));
    EXPECT_NE(shorter.rate(10), longer.rate(10)) << kind;
    EXPECT_NEAR(shorter.rate(20), 0.0, 1e-15) << kind;
    EXPECT_GT(longer.rate(20), 0.1) << kind;
    options.end_epochs = 4;
    EXPECT_FALSE(ends_with_run(options));
    const LearningRate fixed(1.0, options, 1, {.steps_per_epoch = 5, .steps = 40});
    for (std::uint64_t t = 0; t < 45; ++t) EXPECT_EQ(fixed.rate(t), shorter.rate(t)) << kind << ", step " << t;
  }
  EXPECT_FALSE(ends_with_run({.kind = "step"}));
  EXPECT_FALSE(ends_with_run({.kind = "cosine", .restart_epochs = 2}));
}

TEST(Schedules, RatesScaleWithTheSamplesOfAStep) {
  ScheduleOptions options{.base_batch = 64};
  EXPECT_DOUBLE_EQ(LearningRate(0.1, options, 256, {}).rate(0), 0.4);
  EXPECT_DOUBLE_EQ(LearningRate(0.1, options, 16, {}).rate(0), 0.025);
  options.batch_scaling = "sqrt";
  EXPECT_DOUBLE_EQ(LearningRate(0.1, options, 256, {}).rate(0), 0.2);
  EXPECT_DOUBLE_EQ(LearningRate(0.1, options, 16, {}).rate(0), 0.05);
}

TEST(Schedules, WhatCannotBeIsRefused) {
  EXPECT_THROW(LearningRate(1.0, {.kind = "wave"}, 1, {}), InvalidArgument);
  EXPECT_THROW(LearningRate(1.0, {.kind = "cosine"}, 1, {.steps_per_epoch = 5, .steps = 0}), InvalidArgument);
  EXPECT_THROW(LearningRate(1.0, {.kind = "cosine", .restart_epochs = 0.1}, 1, {.steps_per_epoch = 5}),
               InvalidArgument);
  try {
    const LearningRate rate(1.0, {.kind = "cosine", .warmup_steps = 20}, 1, {.steps_per_epoch = 5, .steps = 20});
    ADD_FAILURE() << rate.rate(0);
  } catch (const InvalidArgument& error) {
    EXPECT_STREQ(error.what(),
                 "schedule.kind = \"cosine\" ends after 20 steps, and nothing is left of them after a warm-up of 20");
  }
  for (const char* list : {"", " ", "a", "3,", ",3", "5,3", "0", "-1", "3;5", "3 5", "nan", "1e300"})
    EXPECT_THROW(milestones_of(list), InvalidArgument) << list;
  EXPECT_EQ(milestones_of(" 1.5 ,3,3"), (std::vector<double>{1.5, 3, 3}));
}

}  // namespace

}  // namespace tutti::trainer::test
