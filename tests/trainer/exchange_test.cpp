// The exchange of gradients alone, on three ranks: sums whatever the order in which gradients come, and discarding; and
// the update that follows it.
#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <string>
#include <vector>

#include <tutti/allreduce/allreduce.hpp>
#include <tutti/kernels/error.hpp>
#include <tutti/trainer/exchange/exchange.hpp>
#include <tutti/trainer/optimizers/optimizer.hpp>
#include <tutti/trainer/run/update.hpp>

namespace tutti::trainer::test {

namespace {

class ExchangeTest : public testing::Test {
 protected:
  Buckets make_buckets(std::size_t bucket_bytes) const {
    return {world_, plan_buckets(infos_, DType::f32, bucket_bytes), DType::f32, optimizer_->slots()};
  }
  static void fill(Buffer values, float value) { std::fill_n(static_cast<float*>(values.data), values.count, value); }
  static float at(Buffer values, std::size_t i) { return static_cast<const float*>(values.data)[i]; }

  const Communicator world_{MPI_COMM_WORLD, {.timeout = std::chrono::seconds(60)}};
  const std::vector<ParameterInfo> infos_{{"a", {100}, 0}, {"b", {7}, 0}, {"c", {33}, 0}, {"d", {1}, 0}};
  UpdateOutcome update(Exchange& exchange, const Buckets& buckets, double rate) const {
    return Update(*optimizer_, optimizer_options_, infos_, buckets).run(exchange, {.learning_rate = rate});
  }

  const OptimizerOptions optimizer_options_{.momentum = 0.0};
  const std::unique_ptr<Optimizer> optimizer_ = make_optimizer(optimizer_options_);
};

TEST_F(ExchangeTest, AddsUpWhateverTheOrderAndWhateverIsMissing) {
  const auto rank = static_cast<std::size_t>(world_.rank());
  for (const std::size_t bucket_bytes : {1U, 200U, 100000U}) {
    const Buckets buckets = make_buckets(bucket_bytes);
    const ExchangeOptions options;
    const auto exchange = make_exchange({world_, buckets, options});
    for (std::size_t step = 0; step < 3; ++step) {
      exchange->begin();
      for (std::size_t i = 0; i < infos_.size(); ++i) {
        const std::size_t parameter = (i + rank + step) % infos_.size();  // another order on every rank
        if (parameter == rank) continue;                                  // rank r has no gradient of parameter r
        fill(buckets.gradient(parameter), static_cast<float>((rank + 1) * (parameter + 1)));
        exchange->gradient_ready(parameter);
      }
      for (std::size_t b = 0; b < buckets.size(); ++b) {
        exchange->wait(b);
        for (const std::size_t parameter : buckets.plan().buckets[b].parameters) {
          std::size_t weights = 1 + 2 + 3;
          if (parameter < 3) weights -= parameter + 1;
          const auto expected = static_cast<float>(weights * (parameter + 1));
          EXPECT_EQ(at(buckets.gradient(parameter), 0), expected) << "parameter " << parameter << ", step " << step;
          EXPECT_EQ(at(buckets.gradient(parameter), infos_[parameter].count() - 1), expected);
        }
      }
    }
  }
}

TEST_F(ExchangeTest, ChangesNoParameterAndNoSlot) {
  const Buckets buckets = make_buckets(200);
  const ExchangeOptions options;
  const auto exchange = make_exchange({world_, buckets, options});
  for (std::size_t b = 0; b < buckets.size(); ++b) {
    fill(buckets.parameters(b), 7.0F);
    fill(buckets.slots(b)[0], 8.0F);
  }
  exchange->begin();
  fill(buckets.gradient(0), 1.0F);
  exchange->gradient_ready(0);
  for (std::size_t b = 0; b < buckets.size(); ++b) exchange->wait(b);
  for (std::size_t i = 0; i < infos_.size(); ++i) {
    EXPECT_EQ(at(buckets.parameter(i), 0), 7.0F);
    EXPECT_EQ(at(buckets.slot(0, i), 0), 8.0F);
  }
}

// The first half of the buckets is updated while the other half is yet to be waited for.
TEST_F(ExchangeTest, DiscardMayFollowSomeWaits) {
  const Buckets buckets = make_buckets(1);
  const ExchangeOptions options;
  const auto exchange = make_exchange({world_, buckets, options});
  for (const std::size_t waits : {0U, 2U}) {
    exchange->begin();
    if (world_.rank() == 1) exchange->gradient_ready(3);
    for (std::size_t b = 0; b < waits; ++b) exchange->wait(b);
    exchange->discard();
    std::vector<std::int32_t> one{1};
    allreduce(world_, std::span<std::int32_t>(one), ReduceOp::sum);  // calls still match
    EXPECT_EQ(one[0], 3);
  }
}

TEST_F(ExchangeTest, UnknownStrategyIsNamed) {
  const Buckets buckets = make_buckets(200);
  ExchangeOptions options;
  options.kind = "gossip";
  EXPECT_THROW(make_exchange({world_, buckets, options}), InvalidArgument);
}

TEST_F(ExchangeTest, AnUpdateTakesTheSumOfAllRanks) {
  const Buckets buckets = make_buckets(200);
  const ExchangeOptions options;
  const auto exchange = make_exchange({world_, buckets, options});
  exchange->begin();
  for (std::size_t i = 0; i < infos_.size(); ++i) {
    fill(buckets.gradient(i), static_cast<float>(i) + static_cast<float>(world_.rank()));
    exchange->gradient_ready(i);
  }
  ASSERT_FALSE(update(*exchange, buckets, 2.0).not_finite);
  for (std::size_t i = 0; i < infos_.size(); ++i)
    EXPECT_EQ(at(buckets.parameter(i), infos_[i].count() - 1), -2.0F * (3.0F * static_cast<float>(i) + 3.0F)) << i;
}

// A sum that is not finite changes no parameter of its bucket, and all ranks name the same one.
TEST_F(ExchangeTest, AGradientThatIsNotFiniteIsNamedOnAllRanks) {
  for (const std::string compression : {"none", "bf16", "f16"}) {
    const Buckets buckets = make_buckets(1);
    ExchangeOptions options;
    options.compression = compression;
    const auto exchange = make_exchange({world_, buckets, options});
    for (const float large : {60000.0F, 1e5F, 3e38F}) {
      const bool overflows = compression == "f16" ? large > 65504 : large > 1e38F;
      for (std::size_t b = 0; b < buckets.size(); ++b) fill(buckets.parameters(b), 7.0F);
      exchange->begin();
      static_cast<float*>(buckets.gradient(2).data)[32] = world_.rank() == 2   ? large
                                                          : world_.rank() == 1 ? large / 2
                                                                               : 0;
      if (compression == "f16" && !overflows) static_cast<float*>(buckets.gradient(2).data)[32] /= 3;
      const auto found = update(*exchange, buckets, 0.0).not_finite;
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

// A NaN of one rank is no gradient to be clipped: all ranks name it, and with clip_norm no parameter of any bucket
// changes.
TEST_F(ExchangeTest, WhatIsNotANumberIsNotClipped) {
  for (const OptimizerOptions& clipping :
       {OptimizerOptions{.momentum = 0.0, .clip_norm = 1.0}, OptimizerOptions{.momentum = 0.0, .clip_value = 1.0}}) {
    const Buckets buckets = make_buckets(1);
    const ExchangeOptions options;
    const auto exchange = make_exchange({world_, buckets, options});
    exchange->begin();
    for (std::size_t i = 0; i < infos_.size(); ++i) fill(buckets.gradient(i), 1.0F);
    if (world_.rank() == 1) static_cast<float*>(buckets.gradient(1).data)[3] = std::numeric_limits<float>::quiet_NaN();
    const auto outcome = Update(*optimizer_, clipping, infos_, buckets).run(*exchange, {.learning_rate = 1.0});
    ASSERT_TRUE(outcome.not_finite);
    EXPECT_EQ(*outcome.not_finite, 1U);
    exchange->discard();
    EXPECT_EQ(at(buckets.parameter(1), 0), 0.0F);
    if (clipping.clip_norm > 0.0) {
      EXPECT_EQ(at(buckets.parameter(3), 0), 0.0F) << "of a bucket that came before";
    }
  }
}

}  // namespace

}  // namespace tutti::trainer::test
