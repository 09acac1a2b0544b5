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

std::vector<std::size_t> parameters_of(const BucketPlan::Bucket& bucket) {
  std::vector<std::size_t> numbers;
  for (const BucketPlan::Piece& piece : bucket.pieces) numbers.push_back(piece.parameter);
  return numbers;
}

TEST(BucketPlan, AParameterLargerThanABucketIsCut) {
  const std::vector<ParameterInfo> parameters{{"a", {3}, 0}, {"b", {5000}, 0}, {"c", {7}, 0}};
  const BucketPlan plan = plan_buckets(parameters, DType::f32, 8192);  // 2048 elements
  ASSERT_EQ(plan.buckets.size(), 4U);
  EXPECT_EQ(plan.count, 16U + 5008U + 16U);
  std::size_t offset = 0;
  std::vector<std::size_t> counts;
  for (const BucketPlan::Bucket& bucket : plan.buckets) {
    EXPECT_EQ(bucket.offset, offset);
    offset += bucket.count;
    for (const BucketPlan::Piece& piece : bucket.pieces) {
      EXPECT_EQ(piece.first % kNormBlock, 0U);
      if (piece.parameter == 1) counts.push_back(piece.count);
    }
  }
  EXPECT_EQ(counts, (std::vector<std::size_t>{2048, 2048, 904}));
  EXPECT_EQ(offset, plan.count);
}

TEST(BucketPlan, OrderIsAsTold) {
  const std::vector<ParameterInfo> parameters{{"a", {40}, 0}, {"b", {3}, 0}, {"c", {5, 4}, 0}};
  const BucketPlan plan = plan_buckets(parameters, DType::f32, 1 << 20, std::vector<std::size_t>{1, 0, 2});
  EXPECT_EQ(parameters_of(plan.buckets[0]), (std::vector<std::size_t>{1, 0, 2}));
  EXPECT_EQ(plan.places[0].offset, 16U);
}

// Parts are cut between blocks of 1024 elements of a parameter, follow each other and are about equal.
TEST(BucketPlan, EveryRankOwnsAPartOfEachBucket) {
  const std::vector<ParameterInfo> parameters{{"a", {100}, 0}, {"b", {10000}, 0}, {"c", {7}, 0}, {"d", {0}, 0}};
  for (const std::size_t bucket_bytes : {1U, 10000U, 1U << 20U})
    for (const int ranks : {1, 2, 3, 7, 64}) {
      const BucketPlan plan = plan_buckets(parameters, DType::f32, bucket_bytes);
      for (std::size_t b = 0; b < plan.buckets.size(); ++b) {
        const auto counts = owned_counts(plan, b, ranks);
        ASSERT_EQ(counts.size(), static_cast<std::size_t>(ranks));
        std::size_t begin = 0;
        for (const std::size_t count : counts) {
          bool is_edge = begin == plan.buckets[b].count;
          for (const BucketPlan::Piece& piece : plan.buckets[b].pieces) {
            const std::size_t its = plan.offset_of(piece) - plan.buckets[b].offset;
            is_edge = is_edge || (begin >= its && begin < its + piece.count && (begin - its) % kNormBlock == 0);
          }
          EXPECT_TRUE(is_edge) << begin << " of bucket " << b << ", " << ranks << " ranks";
          EXPECT_LE(count, plan.buckets[b].count / static_cast<std::size_t>(ranks) + 2 * kNormBlock);
          begin += count;
        }
        EXPECT_EQ(begin, plan.buckets[b].count);
      }
    }
}

TEST(BucketPlan, ReverseOrderAlignedAndWhole) {
  const std::vector<ParameterInfo> parameters{{"a", {40}, 0}, {"b", {3}, 0}, {"c", {5, 4}, 0}, {"d", {1}, 0}};
  const BucketPlan plan = plan_buckets(parameters, DType::f32, 256);  // 64 elements
  ASSERT_EQ(plan.buckets.size(), 2U);
  EXPECT_EQ(parameters_of(plan.buckets[0]),
            (std::vector<std::size_t>{3, 2, 1}));  // 1, 20 and 3 elements take 16, 32 and 16
  EXPECT_EQ(plan.buckets[0].count, 64U);
  EXPECT_EQ(parameters_of(plan.buckets[1]), (std::vector<std::size_t>{0}));
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
