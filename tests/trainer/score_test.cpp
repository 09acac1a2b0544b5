// Scores: what is read from them, also where there is nothing to divide by, and that parts add up to the whole.
#include <gtest/gtest.h>

#include <cmath>
#include <cstddef>
#include <utility>
#include <vector>

#include <tutti/trainer/network/class_counts.hpp>
#include <tutti/trainer/network/score.hpp>

namespace tutti::trainer::test {

namespace {

Score of_numbers(const std::vector<double>& targets, double squared_error) {
  Score score{.samples = targets.size(), .squared_error = squared_error};
  score.targets.resize(1);
  for (const double target : targets) score.targets[0].add(target);
  return score;
}

TEST(Score, R2AndRmse) {
  const Score score = of_numbers({1, 2, 4, 10}, 2.0);  // mean 4.25, squared distances 48.75
  EXPECT_NEAR(score.targets[0].squares, 48.75, 1e-12);
  EXPECT_NEAR(score.r2(), 1.0 - 2.0 / 48.75, 1e-12);
  EXPECT_NEAR(score.rmse(), std::sqrt(0.5), 1e-12);
  EXPECT_FALSE(score.of_classes());
}

TEST(Score, R2IsDefinedForConstantTargets) {
  EXPECT_EQ(of_numbers({0.1, 0.1, 0.1}, 0.0).r2(), 1.0);
  EXPECT_EQ(of_numbers({0.1, 0.1, 0.1}, 0.5).r2(), 0.0);
  Score parts = of_numbers({0.1, 0.1, 0.1}, 0.5);
  parts.merge(of_numbers({0.1, 0.1}, 0.0));
  EXPECT_EQ(parts.r2(), 0.0);
}

TEST(Score, NothingIsNoNan) {
  const Score none;
  for (const double figure : {none.mean_loss(), none.accuracy(), none.top5_accuracy(), none.rmse()})
    EXPECT_EQ(figure, 0.0);
  EXPECT_EQ(none.r2(), 1.0);
}

TEST(Score, PartsAddUp) {
  const std::vector<double> targets{1e9 + 1, 1e9 + 2, 1e9 + 4, 1e9 + 10, 1e9 + 3, 1e9 - 1};
  const Score whole = of_numbers(targets, 6.0);
  Score sum;
  for (const auto& part : {std::vector{targets[0], targets[1], targets[2]}, std::vector<double>{},
                           std::vector{targets[3]}, std::vector{targets[4], targets[5]}})
    sum.merge(Score::unpacked(of_numbers(part, 1.5).packed(1)));
  EXPECT_EQ(sum.samples, 6U);
  EXPECT_NEAR(sum.targets[0].squares, 70.8333333333, 1e-5);
  EXPECT_NEAR(sum.r2(), whole.r2(), 1e-9);
  EXPECT_EQ(sum.targets[0].count, 6.0);
}

TEST(Score, SurvivesItsWayToOtherRanks) {
  Score score{.loss = 2.5, .correct = 3, .samples = 5, .answers = 4, .in_top5 = 4, .squared_error = 0.25};
  const Score back = Score::unpacked(score.packed(0));
  EXPECT_EQ(back.loss, 2.5);
  EXPECT_EQ(back.correct, 3U);
  EXPECT_EQ(back.samples, 5U);
  EXPECT_EQ(back.accuracy(), 0.75);
  EXPECT_EQ(back.top5_accuracy(), 1.0);
  EXPECT_EQ(back.squared_error, 0.25);
  EXPECT_EQ(score.packed(2).size(), score.packed(0).size() + 6);
}

// Four classes: 0 is confused with 1, 2 has no samples but is predicted once, 3 is never met and never predicted.
TEST(ClassCounts, FiguresOfAClassAreNumbersOrNothing) {
  ClassCounts counts = ClassCounts::of(4);
  for (const auto& [truth, predicted] : {std::pair{0, 0}, {0, 0}, {0, 1}, {1, 1}, {1, 2}, {1, 0}})
    counts.add(static_cast<std::size_t>(truth), static_cast<std::size_t>(predicted));
  EXPECT_EQ(counts.samples(0), 3U);
  EXPECT_EQ(counts.predicted(0), 3U);
  EXPECT_EQ(counts.right(0), 2U);
  EXPECT_DOUBLE_EQ(*counts.precision(0), 2.0 / 3);
  EXPECT_DOUBLE_EQ(*counts.recall(0), 2.0 / 3);
  EXPECT_DOUBLE_EQ(*counts.precision(1), 1.0 / 2);
  EXPECT_DOUBLE_EQ(*counts.recall(1), 1.0 / 3);
  EXPECT_DOUBLE_EQ(*counts.f1(1), 2.0 * 1 / (3 + 2));
  EXPECT_EQ(counts.precision(2), 0.0);
  EXPECT_FALSE(counts.recall(2));
  EXPECT_FALSE(counts.f1(2));
  EXPECT_FALSE(counts.precision(3));
  EXPECT_FALSE(counts.recall(3));
  EXPECT_FALSE(counts.f1(3));
}

TEST(ClassCounts, AClassThatIsNeverPredictedHasAnF1OfZero) {
  ClassCounts counts = ClassCounts::of(2);
  counts.add(1, 0);
  EXPECT_FALSE(counts.precision(1));
  EXPECT_EQ(counts.recall(1), 0.0);
  EXPECT_EQ(counts.f1(1), 0.0);
}

TEST(ClassCounts, StaySmall) {
  EXPECT_EQ(ClassCounts::of(ClassCounts::kMostClasses).cells.size(), 1'000'000U);
  EXPECT_TRUE(ClassCounts::of(ClassCounts::kMostClasses + 1).empty());
  EXPECT_TRUE(ClassCounts::of(0).empty());
}

}  // namespace

}  // namespace tutti::trainer::test
