// When a run has got better, and when it has not for too long.
#include <gtest/gtest.h>

#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <tutti/trainer/run/monitor.hpp>

#include "tests/trainer/support.hpp"

namespace tutti::trainer::test {

namespace {

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

Config::Run options(const std::string& monitor, std::int64_t stop_after, double min_delta = 0.0) {
  Config::Run run;
  run.monitor = monitor;
  run.stop_after = stop_after;
  run.min_delta = min_delta;
  run.keep_best = true;
  return run;
}

/// The number of evaluations after which it stops; 0: never.
std::size_t stops_after(Monitor& monitor, const std::vector<std::optional<double>>& values) {
  for (std::size_t i = 0; i < values.size(); ++i) {
    monitor.add(i + 1, values[i], true);
    if (monitor.stops()) return i + 1;
  }
  return 0;
}

TEST(Monitor, StopsAfterSoManyEvaluationsWithoutImprovement) {
  const auto lower = options("test_loss", 2);
  Monitor loss(lower, true);
  EXPECT_EQ(stops_after(loss, {3.0, 2.0, 2.5, 1.0, 1.5, 1.2, 0.1}), 6U);
  EXPECT_EQ(loss.best()->step, 4U);
  EXPECT_EQ(loss.best()->value, 1.0);
  const auto higher = options("test_accuracy", 2);
  Monitor accuracy(higher, true);
  EXPECT_EQ(stops_after(accuracy, {0.1, 0.3, 0.2, 0.4, 0.4, 0.4}), 6U);
  EXPECT_EQ(accuracy.best()->step, 4U) << "of equal ones the first";
}

// Steps that are each too small add up to one that is not; the best is the best however little.
TEST(Monitor, SmallImprovementsCountTogether) {
  const auto run = options("test_loss", 3, 0.1);
  Monitor monitor(run, true);
  EXPECT_EQ(stops_after(monitor, {1.0, 0.95, 0.92, 0.875, 0.85, 0.80, 0.79}), 7U);
  EXPECT_EQ(monitor.best()->step, 7U);
  Monitor exact(run, true);
  EXPECT_EQ(stops_after(exact, {1.0, 0.9, 0.95, 0.95}), 4U) << "better by min_delta is no improvement";
}

TEST(Monitor, WhatIsNoNumberIsNeverBest) {
  const auto run = options("test_loss", 3);
  Monitor monitor(run, true);
  EXPECT_EQ(stops_after(monitor, {kNan, std::nullopt}), 0U);
  EXPECT_FALSE(monitor.best());
  monitor.add(3, 5.0, true);
  EXPECT_FALSE(monitor.stops());
  for (std::uint64_t step = 4; step < 7; ++step) monitor.add(step, kNan, true);
  EXPECT_TRUE(monitor.stops());
  EXPECT_EQ(monitor.best()->step, 3U);
}

TEST(Monitor, AStepCountsOnceAndOnlyWhereItWasDue) {
  const auto run = options("test_loss", 2);
  Monitor monitor(run, true);
  monitor.add(10, 1.0, true);
  monitor.add(20, 2.0, true);
  monitor.add(20, 2.0, true);
  monitor.add(15, 2.0, true);
  monitor.add(25, 2.0, false);
  EXPECT_FALSE(monitor.stops());
  monitor.add(30, 2.0, true);
  EXPECT_TRUE(monitor.stops());
}

TEST(Monitor, ZeroNeverStops) {
  const auto run = options("test_loss", 0);
  Monitor monitor(run, true);
  EXPECT_EQ(stops_after(monitor, {1.0, 2.0, 2.0, 2.0, 2.0}), 0U);
  EXPECT_TRUE(monitor.is_on());
}

TEST(Monitor, FiguresAreTheChoicesOfTheKey) {
  std::vector<std::string_view> names;
  for (const Figure& figure : figures()) names.push_back(figure.name);
  for (const Key& key : key_table()) {
    if (key.name == "run.monitor") {
      EXPECT_EQ(key.choices, names);
    }
  }
}

TEST(Monitor, FiguresAreThoseOfTheModel) {
  for (const auto& [name, of_classes] : {std::pair{"test_rmse", true}, {"test_accuracy", false}}) {
    const auto run = options(name, 1);
    try {
      const Monitor monitor(run, of_classes);
      ADD_FAILURE() << name;
    } catch (const ConfigError& error) {
      expect_parts(error.what(), {"run.monitor", name, "test_loss", of_classes ? "test_accuracy" : "test_r2"});
    }
  }
  auto off = options("test_rmse", 0);
  off.keep_best = false;
  EXPECT_NO_THROW(Monitor(off, true));
  Score numbers{.samples = 4, .squared_error = 4.0};
  numbers.targets = {{.count = 4, .mean = 0, .squares = 8}};
  const auto run = options("test_r2", 1);
  EXPECT_EQ(Monitor(run, false).figure().value(numbers), 0.5);
}

}  // namespace

}  // namespace tutti::trainer::test
