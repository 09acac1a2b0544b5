// Which buckets may be exchanged, without ranks.
#include <gtest/gtest.h>

#include <vector>

#include <tutti/trainer/exchange/ready_buckets.hpp>
#include <tutti/trainer/memory/buckets.hpp>

namespace tutti::trainer::test {

namespace {

class ReadyBucketsTest : public testing::Test {
 protected:
  // Reverse model order: bucket 0 holds parameters 3 and 2, bucket 1 holds 1, bucket 2 holds 0.
  const std::vector<ParameterInfo> infos_{{"a", {64}, 0}, {"b", {64}, 0}, {"c", {16}, 0}, {"d", {16}, 0}};
  const BucketPlan plan_ = plan_buckets(infos_, DType::f32, 256);
};

TEST_F(ReadyBucketsTest, ABucketCountsOnceAllBeforeItAreComplete) {
  ASSERT_EQ(plan_.buckets.size(), 3U);
  ReadyBuckets ready(plan_);
  ready.gradient_ready(0);
  EXPECT_EQ(ready.complete(), 0U);
  ready.gradient_ready(3);
  EXPECT_EQ(ready.complete(), 0U);
  ready.gradient_ready(2);
  EXPECT_EQ(ready.complete(), 1U);
  ready.gradient_ready(1);
  EXPECT_EQ(ready.complete(), 3U);
}

TEST_F(ReadyBucketsTest, APartOfAParameterCompletesItsBuckets) {
  const std::vector<ParameterInfo> infos{{"a", {5000}, 0}};
  const BucketPlan plan = plan_buckets(infos, DType::f32, 4096);
  ASSERT_EQ(plan.buckets.size(), 5U);
  ReadyBuckets ready(plan);
  ready.gradient_ready(0, 0, 2048);
  EXPECT_EQ(ready.complete(), 2U);
  ready.gradient_ready(0, 4096, 904);
  EXPECT_EQ(ready.complete(), 2U);
  ready.gradient_ready(0, 2048, 1000);
  EXPECT_EQ(ready.complete(), 2U);
  ready.gradient_ready(0, 3048, 1048);
  EXPECT_EQ(ready.complete(), 5U);
}

TEST_F(ReadyBucketsTest, AStepBeginsWithNone) {
  ReadyBuckets ready(plan_);
  ready.gradient_ready(3);
  ready.all_ready();
  EXPECT_EQ(ready.complete(), 3U);
  ready.begin();
  EXPECT_EQ(ready.complete(), 0U);
  ready.gradient_ready(2);
  EXPECT_EQ(ready.complete(), 0U);  // what was ready in the step before does not count
  ready.gradient_ready(3);
  EXPECT_EQ(ready.complete(), 1U);
}

}  // namespace

}  // namespace tutti::trainer::test
