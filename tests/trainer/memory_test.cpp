// Which parameter lies where, and what it starts as.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <span>
#include <utility>
#include <vector>

#include <tutti/trainer/memory/buckets.hpp>
#include <tutti/trainer/memory/parameters.hpp>

namespace tutti::trainer::test {

namespace {

TEST(BucketPlan, ReverseOrderAlignedAndWhole) {
  const std::vector<ParameterInfo> parameters{{"a", {40}, 0}, {"b", {3}, 0}, {"c", {5, 4}, 0}, {"d", {1}, 0}};
  const BucketPlan plan = plan_buckets(parameters, DType::f32, 256);  // 64 elements
  ASSERT_EQ(plan.buckets.size(), 2U);
  EXPECT_EQ(plan.buckets[0].parameters,
            (std::vector<std::size_t>{3, 2, 1}));  // 1, 20 and 3 elements take 16, 32 and 16
  EXPECT_EQ(plan.buckets[0].count, 64U);
  EXPECT_EQ(plan.buckets[1].parameters, (std::vector<std::size_t>{0}));
  EXPECT_EQ(plan.places[2].offset, 16U);
  EXPECT_EQ(plan.places[0].count, 40U);
  EXPECT_EQ(plan_buckets(parameters, DType::f32, 1).buckets.size(), 4U);
  EXPECT_EQ(plan_buckets(parameters, DType::f32, 1 << 20).buckets.size(), 1U);
}

TEST(Initialise, IsAFunctionOfSeedParameterAndElement) {
  std::vector<float> values(1000);
  std::vector<float> tail(10);
  initialise({"w", {1000}, 0.5}, 3, 1, Buffer(std::span(values)));
  initialise({"w", {10}, 0.5}, 3, 1, Buffer(std::span(tail)));
  EXPECT_TRUE(std::equal(tail.begin(), tail.end(), values.begin()));
  double sum = 0.0;
  for (const float value : values) {
    EXPECT_LE(std::abs(value), 0.5F);
    sum += value;
  }
  EXPECT_LT(std::abs(sum / 1000.0), 0.05);  // five standard deviations: 0.5 / sqrt(3 * 1000)
  for (const auto& [index, seed] : {std::pair{4, 1}, std::pair{3, 2}}) {
    initialise({"w", {10}, 0.5}, static_cast<std::size_t>(index), static_cast<std::uint64_t>(seed),
               Buffer(std::span(tail)));
    EXPECT_FALSE(std::equal(tail.begin(), tail.end(), values.begin()));
  }
}

}  // namespace

}  // namespace tutti::trainer::test
