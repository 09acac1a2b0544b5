// The exchange of gradients alone, on three ranks: sums whatever the order in which gradients come, and discarding; and
// the update that follows it.
#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <cmath>
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
#include <tutti/trainer/run/replicas.hpp>
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
    const auto exchange = make_exchange({world_, buckets, infos_, options});
    for (std::size_t step = 0; step < 3; ++step) {
      exchange->begin(0);
      for (std::size_t i = 0; i < infos_.size(); ++i) fill(buckets.gradient(i), 0.0F);
      for (std::size_t i = 0; i < infos_.size(); ++i) {
        const std::size_t parameter = (i + rank + step) % infos_.size();  // another order on every rank
        if (parameter == rank) continue;                                  // rank r has no gradient of parameter r
        fill(buckets.gradient(parameter), static_cast<float>((rank + 1) * (parameter + 1)));
        exchange->gradient_ready(parameter, 0, infos_[parameter].count());
      }
      for (std::size_t b = 0; b < buckets.size(); ++b) {
        exchange->wait(b);
        for (const auto& [parameter, first, count] : buckets.plan().buckets[b].pieces) {
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
  const auto exchange = make_exchange({world_, buckets, infos_, options});
  for (std::size_t b = 0; b < buckets.size(); ++b) {
    fill(buckets.parameters(b), 7.0F);
    fill(buckets.slots(b)[0], 8.0F);
  }
  exchange->begin(0);
  fill(buckets.gradient(0), 1.0F);
  exchange->gradient_ready(0, 0, infos_[0].count());
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
  const auto exchange = make_exchange({world_, buckets, infos_, options});
  for (const std::size_t waits : {0U, 2U}) {
    exchange->begin(0);
    if (world_.rank() == 1) exchange->gradient_ready(3, 0, infos_[3].count());
    for (std::size_t b = 0; b < waits; ++b) exchange->wait(b);
    exchange->discard();
    std::vector<std::int32_t> one{1};
    allreduce(world_, std::span<std::int32_t>(one), ReduceOp::sum);  // calls still match
    EXPECT_EQ(one[0], 3);
  }
}

// Whoever owns what, and however buckets are cut, an update has the bits of the whole one: with any optimizer, with
// clipping, averages and groups, for parameters larger than a bucket and for parts without an element.
TEST_F(ExchangeTest, AShardedUpdateHasTheBitsOfAWholeOne) {
  const std::vector<ParameterInfo> infos{{"a", {5000}, 0}, {"b", {7}, 0}, {"c", {3000}, 0}, {"d", {1}, 0}};
  const Communicator comm(MPI_COMM_WORLD,
                          {.reproducibility = Reproducibility::layout, .timeout = std::chrono::seconds(60)});
  std::vector<OptimizerOptions> all;
  for (const auto kind : optimizer_names())
    for (const double clip : {0.0, 0.5})
      all.push_back({.kind = std::string(kind),
                     .clip_norm = clip,
                     .ema_decay = 0.9,
                     .groups = {{.match = "?", .weight_decay = 0.1}}});
  all.push_back({.clip_value = 0.001});
  for (const OptimizerOptions& options : all) {
    const auto optimizer = make_optimizer(options);
    const auto trained = [&](const std::string& kind, std::size_t bucket_bytes) {
      const ExchangeOptions how{.kind = kind};
      const Buckets buckets(comm, plan_buckets(infos, DType::f32, bucket_bytes), DType::f32,
                            update_slots(*optimizer, options), ownership_of(how, comm));
      const auto exchange = make_exchange({comm, buckets, infos, how});
      Update update(*optimizer, options, infos, buckets);
      std::vector<float> values;
      for (std::size_t i = 0; i < infos.size(); ++i)
        for (std::size_t k = 0; k < infos[i].count(); ++k)
          static_cast<float*>(buckets.parameter(i).data)[k] = 0.01F * static_cast<float>(k % 17);
      for (std::uint64_t step = 1; step <= 3; ++step) {
        exchange->begin(0);
        for (std::size_t i = 0; i < infos.size(); ++i)
          for (std::size_t k = 0; k < infos[i].count(); ++k)
            static_cast<float*>(buckets.gradient(i).data)[k] =
                std::sin(static_cast<float>(step * 7919 + k * (i + 1)) + static_cast<float>(comm.rank()));
        const auto outcome = update.run(*exchange, {.learning_rate = 0.1, .number = step, .norm = true});
        EXPECT_FALSE(outcome.not_finite);
        values.push_back(static_cast<float>(outcome.gradient_norm.value_or(-1)));
      }
      for (int swap = 0; swap < 2; ++swap) {
        for (std::size_t i = 0; i < infos.size(); ++i) {
          const auto* its = static_cast<const float*>(buckets.parameter(i).data);
          values.insert(values.end(), its, its + infos[i].count());
        }
        if (options.ema_decay == 0.0) continue;
        update.swap_average();
        for (std::size_t b = 0; b < buckets.size(); ++b) exchange->updated(b);
        exchange->finish();
      }
      const WholeSlots slots(buckets, comm.rank() == 0);
      gather_slots(comm, buckets, slots);
      for (const Buffer slot : slots.arrays())
        for (std::size_t i = 0; i < infos.size() && comm.rank() == 0; ++i) {
          const Buffer part = slot.slice(buckets.plan().places[i].offset, infos[i].count());
          values.insert(values.end(), static_cast<const float*>(part.data),
                        static_cast<const float*>(part.data) + part.count);
        }
      return values;
    };
    const auto whole = trained("allreduce", 1 << 20);
    for (const std::size_t bucket_bytes : {1U, 8192U, 1U << 20U})
      EXPECT_TRUE(trained("sharded", bucket_bytes) == whole)
          << options.kind << ", " << bucket_bytes << " bytes a bucket";
    EXPECT_TRUE(trained("allreduce", 8192) == whole) << options.kind;
  }
}

// One rank alone has a NaN in what it owns: all ranks name its parameter, and go on.
TEST_F(ExchangeTest, AShardedGradientThatIsNotFiniteIsNamedOnAllRanks) {
  const std::vector<ParameterInfo> infos{{"a", {5000}, 0}, {"b", {7}, 0}};
  for (const auto* const kind : {"sgd", "lamb"})
    for (const double clip : {0.0, 1.0}) {
      const OptimizerOptions options{.kind = kind, .clip_norm = clip};
      const auto optimizer = make_optimizer(options);
      const ExchangeOptions how{.kind = "sharded"};
      const Buckets buckets(world_, plan_buckets(infos, DType::f32, 4096), DType::f32, optimizer->slots(),
                            ownership_of(how, world_));
      const auto exchange = make_exchange({world_, buckets, infos, how});
      Update update(*optimizer, options, infos, buckets);
      for (const bool wrong : {true, false}) {
        exchange->begin(0);
        for (std::size_t i = 0; i < infos.size(); ++i) fill(buckets.gradient(i), 1.0F);
        if (wrong && world_.rank() == 1)
          static_cast<float*>(buckets.gradient(0).data)[1500] = std::numeric_limits<float>::quiet_NaN();
        const auto outcome = update.run(*exchange, {.learning_rate = 0.1});
        EXPECT_EQ(outcome.not_finite.has_value(), wrong);
        if (!wrong) continue;
        EXPECT_EQ(outcome.not_finite.value_or(9), 0U);
        EXPECT_FALSE(outcome.norm_overflows);
        exchange->discard();
        std::vector<std::int32_t> one{1};
        allreduce(world_, std::span<std::int32_t>(one), ReduceOp::sum);  // calls still match
        EXPECT_EQ(one[0], 3);
      }
    }
}

TEST_F(ExchangeTest, ShardedRefusesWhatItCannotDo) {
  const Buckets buckets = make_buckets(200);
  for (const ExchangeOptions& options : {ExchangeOptions{.kind = "sharded", .compression = "bf16"},
                                         ExchangeOptions{.kind = "sharded", .algorithm = "ring"}})
    EXPECT_THROW(make_exchange({world_, buckets, infos_, options}), InvalidArgument);
}

// Before the run begins, not when it is first needed.
TEST_F(ExchangeTest, CodecsThatCannotBeAreRefusedAtOnce) {
  const Buckets buckets = make_buckets(200);
  const std::string impossible = "topk:reselect=on,exchange=gather";
  ExchangeOptions later{.compression = "none"};
  later.rules = {{.match = "a", .compression = impossible}};
  later.compress_after = 1000;
  ExchangeOptions fallback{.compression = "bf16"};
  fallback.fallback = impossible;
  for (const ExchangeOptions& options : {later, fallback})
    EXPECT_THROW(make_exchange({world_, buckets, infos_, options}), InvalidArgument);
}

TEST_F(ExchangeTest, UnknownStrategyIsNamed) {
  const Buckets buckets = make_buckets(200);
  ExchangeOptions options;
  options.kind = "gossip";
  EXPECT_THROW(make_exchange({world_, buckets, infos_, options}), InvalidArgument);
}

TEST_F(ExchangeTest, AnUpdateTakesTheSumOfAllRanks) {
  const Buckets buckets = make_buckets(200);
  const ExchangeOptions options;
  const auto exchange = make_exchange({world_, buckets, infos_, options});
  exchange->begin(0);
  for (std::size_t i = 0; i < infos_.size(); ++i) {
    fill(buckets.gradient(i), static_cast<float>(i) + static_cast<float>(world_.rank()));
    exchange->gradient_ready(i, 0, infos_[i].count());
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
    const auto exchange = make_exchange({world_, buckets, infos_, options});
    for (const float large : {60000.0F, 1e5F, 3e38F}) {
      const bool overflows = compression == "f16" ? large > 65504 : large > 1e38F;
      for (std::size_t b = 0; b < buckets.size(); ++b) fill(buckets.parameters(b), 7.0F);
      exchange->begin(0);
      for (std::size_t i = 0; i < infos_.size(); ++i) fill(buckets.gradient(i), 0.0F);
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

// What a codec cannot hold is exchanged anew as it is, and by a milder codec from the next step on; a gradient that is
// not finite itself stays an error.
TEST_F(ExchangeTest, AnOverflowFallsBackBeforeTheUpdate) {
  const Buckets buckets = make_buckets(1);
  ExchangeOptions options{.compression = "f16"};
  options.overflow = "fall_back";
  options.guard_every = 0;
  const auto exchange = make_exchange({world_, buckets, infos_, options});
  const auto step = [&](std::uint64_t number, float large) {
    exchange->begin(number);
    for (std::size_t i = 0; i < infos_.size(); ++i) fill(buckets.gradient(i), 1.0F + 0x1p-8F);
    static_cast<float*>(buckets.gradient(2).data)[32] = world_.rank() == 1 ? large : 0.0F;
    return update(*exchange, buckets, 0.0).not_finite;
  };
  EXPECT_FALSE(step(0, 1000.0F));
  EXPECT_TRUE(exchange->take_checks().empty());
  EXPECT_FALSE(step(1, 1e6F));
  EXPECT_EQ(at(buckets.gradient(2), 32), 1e6F);
  EXPECT_EQ(at(buckets.gradient(0), 0), 3 * (1.0F + 0x1p-8F));
  const auto checks = exchange->take_checks();
  ASSERT_EQ(checks.size(), 1U);
  EXPECT_EQ(checks[0].parameter, 2U);
  EXPECT_EQ(checks[0].codec, "f16");
  EXPECT_EQ(checks[0].remedy, "bf16");
  EXPECT_FALSE(step(2, 1e6F));
  EXPECT_NEAR(at(buckets.gradient(2), 32), 1e6F, 1e6F * 0x1p-7F);
  EXPECT_EQ(at(buckets.gradient(2), 0), 3.0F);  // bf16 has no 1 + 2^-8
  EXPECT_EQ(at(buckets.gradient(0), 0), 3 * (1.0F + 0x1p-8F));
  ASSERT_EQ(exchange->replaced_codecs().size(), 1U);
  const auto again = make_exchange({world_, buckets, infos_, options});  // as a session that goes on
  again->replace_codecs(exchange->replaced_codecs());
  EXPECT_EQ(again->replaced_codecs().size(), 1U);
  EXPECT_EQ(step(3, std::numeric_limits<float>::infinity()), 2U);
  exchange->discard();
}

// What is compared with the sum of the gradients as they are is one bucket, and what ranks hold back of all.
TEST_F(ExchangeTest, ChecksTellWhatCompressionDoes) {
  const Buckets buckets = make_buckets(1);
  ExchangeOptions options{.compression = "bf16:feedback=on"};
  options.guard_every = 2;
  const auto exchange = make_exchange({world_, buckets, infos_, options});
  for (std::uint64_t number = 0; number < 3; ++number) {
    exchange->begin(number);
    for (std::size_t i = 0; i < infos_.size(); ++i)
      fill(buckets.gradient(i), 0.3F * static_cast<float>(world_.rank() + 1));
    EXPECT_FALSE(update(*exchange, buckets, 0.0).not_finite);
    exchange->finish();  // once more, as with averages of parameters: nothing is judged twice
    const auto checks = exchange->take_checks();
    ASSERT_EQ(checks.size(), number == 1 ? 0 : infos_.size());
    std::size_t compared = 0;
    for (const CompressionCheck& check : checks) {
      EXPECT_GT(*check.contraction, 1 - 0x1p-14);
      EXPECT_LT(*check.contraction, 1.0);
      EXPECT_LT(*check.residual, 0x1p-7);
      if (!check.cosine) continue;
      ++compared;
      EXPECT_GT(*check.cosine, 0.999);
      EXPECT_GT(*check.error, 0.0);
      EXPECT_LT(*check.error, 0x1p-6);
    }
    if (number != 1) {
      EXPECT_GT(compared, 0U);
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
    const auto exchange = make_exchange({world_, buckets, infos_, options});
    exchange->begin(0);
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
