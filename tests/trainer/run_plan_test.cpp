// What a run is said to need before it is made.
#include <gtest/gtest.h>

#include <cstddef>
#include <string>

#include <tutti/trainer/exchange/bucket_size.hpp>
#include <tutti/trainer/run/run_plan.hpp>

namespace tutti::trainer::test {

namespace {

// Rajbhandari et al. (arXiv 1910.02054), in f32: SGD with momentum 8 + 4/N bytes a parameter, Adam 8 + 8/N.
TEST(RunPlan, MemoryIsThatOfThePaper) {
  EXPECT_EQ(plan_memory(1000, 4, 1, 1).total(), 12000U);
  EXPECT_EQ(plan_memory(1000, 4, 2, 1).total(), 16000U);
  EXPECT_EQ(plan_memory(1000, 4, 2, 4).total(), 10000U);
  EXPECT_EQ(plan_memory(1000, 4, 1, 4).total(), 9000U);
  EXPECT_EQ(plan_memory(7, 4, 1, 3).slots, 12U);  // the largest part
}

TEST(RunPlan, BytesAndSeconds) {
  EXPECT_EQ(bytes_sent(1000, 1), 0.0);
  EXPECT_EQ(bytes_sent(1000, 4), 1500.0);
  EXPECT_EQ(predicted_step_seconds(3.0, 1.0, 0.25, false), 4.0);
  EXPECT_EQ(predicted_step_seconds(3.0, 1.0, 0.25, true), 3.25);   // but for the last bucket
  EXPECT_EQ(predicted_step_seconds(3.0, 10.0, 0.25, true), 11.0);  // no more than backward hides
  EXPECT_EQ(predicted_step_seconds(3.0, 0.0, 0.0, true), 3.0);
}

TEST(RunPlan, BucketsFollowModelAndNetwork) {
  const ClusterShape node{.ranks = 8, .nodes = 1};
  const ClusterShape rdma{.ranks = 64, .nodes = 64};
  const ClusterShape tcp{.ranks = 64, .nodes = 64, .costs = {kSharedMemoryCosts, kTcpCosts}};
  constexpr std::size_t kModel = std::size_t{1} << 30;
  for (const ClusterShape& cluster : {node, rdma, tcp}) {
    const std::size_t bytes = bucket_bytes_for(cluster, kModel);
    EXPECT_GE(bytes, kModel / 32);
    EXPECT_LE(bytes, std::size_t{64} << 20);
    EXPECT_LE(predicted_allreduce_seconds(cluster, bytes) / static_cast<double>(bytes),
              1.1 * predicted_allreduce_seconds(cluster, 64 << 20) / (64 << 20));
  }
  EXPECT_LT(bucket_bytes_for(node, 8 << 20), bucket_bytes_for(tcp, 8 << 20));
  EXPECT_EQ(bucket_bytes_for(tcp, 1000), 65536U);
  EXPECT_EQ(bucket_bytes_for(tcp, 4 << 20), std::size_t{1} << 20);  // something travels while backward goes on
  EXPECT_EQ(predicted_allreduce_seconds({}, 1000), 0.0);
}

TEST(RunPlan, IsText) {
  Config config;
  config.model.name = "softmax";
  config.train.batch_size = 64;
  const std::string plan = plan_text(config, {.input = {28, 28}, .classes = 10}, {.ranks = 4, .nodes = 4}, 1e9);
  for (const std::string part :
       {"model softmax: 7850 parameters of f32, 7840 multiply-adds a sample",
        "ranks: 4 on 4 node(s), RDMA between nodes", "slots: momentum             31.40 kB       7.85 kB",
        "together                    94.20 kB      70.65 kB", "sent by a rank              47.10 kB",
        "arithmetic                  752.6 us  at 1.0 GFLOP/s a rank, as told"})
    EXPECT_NE(plan.find(part), std::string::npos) << part << " is not in\n" << plan;
}

}  // namespace

}  // namespace tutti::trainer::test
