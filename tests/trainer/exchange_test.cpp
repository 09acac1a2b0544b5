// The exchange of gradients alone, on three ranks: sums whatever the order in which gradients come, and discarding.
#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include <tutti/allreduce/allreduce.hpp>
#include <tutti/trainer/exchange/exchange.hpp>

namespace tutti::trainer::test {

namespace {

class SyncSgdTest : public testing::Test {
 protected:
  static void fill(Buffer values, float value) { std::fill_n(static_cast<float*>(values.data), values.count, value); }
  static float at(Buffer values, std::size_t i) { return static_cast<const float*>(values.data)[i]; }

  const Communicator world_{MPI_COMM_WORLD, {.timeout = std::chrono::seconds(60)}};
  const std::vector<ParameterInfo> infos_{{"a", {100}, 0}, {"b", {7}, 0}, {"c", {33}, 0}, {"d", {1}, 0}};
};

TEST_F(SyncSgdTest, AddsUpWhateverTheOrderAndWhateverIsMissing) {
  const auto rank = static_cast<std::size_t>(world_.rank());
  for (const std::int64_t bucket_bytes : {1, 200, 100000}) {
    const Buckets buckets(world_, plan_buckets(infos_, DType::f32, static_cast<std::size_t>(bucket_bytes)), DType::f32);
    const Config::Exchange options{
        .kind = "sync_sgd", .bucket_bytes = bucket_bytes, .compression = "none", .algorithm = ""};
    const auto exchange = make_exchange({world_, buckets, options});
    for (std::size_t step = 0; step < 3; ++step) {
      for (std::size_t b = 0; b < buckets.size(); ++b) fill(buckets.parameters(b), 0.0F);
      exchange->begin();
      for (std::size_t i = 0; i < infos_.size(); ++i) {
        const std::size_t parameter = (i + rank + step) % infos_.size();  // another order on every rank
        if (parameter == rank) continue;                                  // rank r has no gradient of parameter r
        fill(buckets.gradient(parameter), static_cast<float>((rank + 1) * (parameter + 1)));
        exchange->gradient_ready(parameter);
      }
      ASSERT_FALSE(exchange->finish({.learning_rate = 1.0}));
      for (std::size_t parameter = 0; parameter < infos_.size(); ++parameter) {
        std::size_t weights = 1 + 2 + 3;
        if (parameter < 3) weights -= parameter + 1;
        const auto expected = -static_cast<float>(weights * (parameter + 1));
        EXPECT_EQ(at(buckets.parameter(parameter), 0), expected) << "parameter " << parameter << ", step " << step;
        EXPECT_EQ(at(buckets.parameter(parameter), infos_[parameter].count() - 1), expected);
      }
    }
  }
}

TEST_F(SyncSgdTest, DiscardLeavesParametersAndNothingUnderWay) {
  const Buckets buckets(world_, plan_buckets(infos_, DType::f32, 200), DType::f32);
  const Config::Exchange options;
  const auto exchange = make_exchange({world_, buckets, options});
  exchange->begin();
  if (world_.rank() == 1) exchange->gradient_ready(3);
  exchange->discard();
  EXPECT_EQ(at(buckets.parameter(0), 0), 0.0F);
  std::vector<std::int32_t> one{1};
  allreduce(world_, std::span<std::int32_t>(one), ReduceOp::sum);  // calls still match
  EXPECT_EQ(one[0], 3);
}

// A sum that is not finite changes no parameter of its bucket, and all ranks name the same one.
TEST_F(SyncSgdTest, AGradientThatIsNotFiniteIsNamedOnAllRanks) {
  for (const std::string compression : {"none", "bf16", "f16"}) {
    const Buckets buckets(world_, plan_buckets(infos_, DType::f32, 1), DType::f32);
    const Config::Exchange options{.kind = "sync_sgd", .bucket_bytes = 1, .compression = compression, .algorithm = ""};
    const auto exchange = make_exchange({world_, buckets, options});
    for (const float large : {60000.0F, 1e5F, 3e38F}) {
      const bool overflows = compression == "f16" ? large > 65504 : large > 1e38F;
      for (std::size_t b = 0; b < buckets.size(); ++b) fill(buckets.parameters(b), 7.0F);
      exchange->begin();
      static_cast<float*>(buckets.gradient(2).data)[32] = world_.rank() == 2   ? large
                                                          : world_.rank() == 1 ? large / 2
                                                                               : 0;
      if (compression == "f16" && !overflows) static_cast<float*>(buckets.gradient(2).data)[32] /= 3;
      const auto found = exchange->finish({.learning_rate = 0.0});
      if (overflows) {
        ASSERT_TRUE(found) << compression << " " << large;
        EXPECT_EQ(*found, 2U);
        exchange->discard();
      } else {
        EXPECT_FALSE(found) << compression << " " << large;
      }
      for (std::size_t parameter = 0; parameter < infos_.size(); ++parameter)
        EXPECT_EQ(at(buckets.parameter(parameter), infos_[parameter].count() - 1), 7.0F) << parameter;
    }
  }
}

TEST_F(SyncSgdTest, UnknownStrategyIsNamed) {
  const Buckets buckets(world_, plan_buckets(infos_, DType::f32, 200), DType::f32);
  Config::Exchange options;
  options.kind = "gossip";
  EXPECT_THROW(make_exchange({world_, buckets, options}), InvalidArgument);
}

}  // namespace

}  // namespace tutti::trainer::test
