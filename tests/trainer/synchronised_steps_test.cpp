// Batch normalisation over the samples of all three ranks: the steps of one rank, and what happens when one fails.
#include <gtest/gtest.h>

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include <tutti/collectives/collectives.hpp>
#include <tutti/kernels/error.hpp>
#include <tutti/trainer/run/statistics.hpp>

#include "tests/trainer/synchronised_steps.hpp"

namespace tutti::trainer::test {

namespace {

TEST_F(SynchronisedSteps, AreThoseOfOneRank) {
  config_.model.dropout = 0.2;
  // Even, uneven, a rank without samples, two without.
  expect_the_steps_of_one_rank({{9}, {7}, {5}, {2}, {8}});
}

TEST_F(SynchronisedSteps, OfMicroBatchesToo) { expect_the_steps_of_one_rank({{6, 5, 2}, {2}, {4, 3}}); }

TEST_F(SynchronisedSteps, StatisticsAreTheSameOnAllRanks) {
  make(world_);
  step_of(world_, 0, 0, {5});
  step_of(world_, 1, 5, {2});  // the last rank sees nothing
  const std::vector<double> own = statistics();
  share_buffers(world_, loop_->network());
  EXPECT_EQ(own, statistics());
}

TEST_F(SynchronisedSteps, StatisticsAreInThePayload) {
  std::vector<std::uint64_t> payload;
  for (const char* statistics : {"local", "synchronised"}) {
    config_.model.batch_norm_statistics = statistics;
    make(world_);
    payload.push_back(step_of(world_, 0, 0, {6}).payload_bytes);
  }
  constexpr std::uint64_t kLayers = 2;
  constexpr std::uint64_t kChannels = 9;
  EXPECT_EQ(payload[1] - payload[0], kLayers * (4 * kChannels + 1) * sizeof(double));
}

/// Rank 1 fails before, between and after micro-batches: all ranks are told, and none waits for another.
TEST_F(SynchronisedSteps, ARankThatFailsInAMicroBatchIsHeardOf) {
  for (std::size_t where = 0; where < 3; ++where) {
    make(world_);
    step_of(world_, 0, 0, {6});
    const std::vector<double> before = parameters();
    const auto fail = [&](std::size_t here) {
      loop_->attempt([&] {
        if (here == where && world_.rank() == 1) throw DataError("the disk is gone");
      });
    };
    try {
      for (std::size_t i = 0; i < 2; ++i) {
        fail(i);
        const Part part(6 + 5 * i, 5, world_.rank(), world_.size());
        loop_->accumulate(part.samples(), 12);
      }
      fail(2);
      const Part part(16, 2, world_.rank(), world_.size());  // without rank 1, one value a channel is left
      loop_->train_step(part.input(1, 12));
      ADD_FAILURE();
    } catch (const AgreedError& error) {
      EXPECT_STREQ(error.what(), "rank 1: the disk is gone");
    }
    EXPECT_EQ(parameters(), before);
  }
}

TEST_F(SynchronisedSteps, ARankThatFailsInItsLossIsHeardOf) {
  make(world_);
  Part part(0, 9, world_.rank(), world_.size());
  if (world_.rank() == 1) part.labels[1] = 77;
  try {
    loop_->train_step(part.input(0, 9));
    ADD_FAILURE();
  } catch (const AgreedError& error) {
    EXPECT_NE(std::string(error.what()).find("rank 1: libtorch: "), std::string::npos) << error.what();
    EXPECT_NE(std::string(error.what()).find("77"), std::string::npos) << error.what();
  }
}

TEST_F(SynchronisedSteps, OneSampleInAllIsAnErrorOnAllRanks) {
  make(world_);
  EXPECT_THROW(step_of(world_, 0, 0, {1}), AgreedError);
}

TEST_F(SynchronisedSteps, ModelsWithoutBatchNormalisationHaveNoSharedStatistics) {
  config_.model.batch_norm = false;
  try {
    make(world_);
    ADD_FAILURE();
  } catch (const AgreedError& error) {
    EXPECT_STREQ(error.what(),
                 "model.name = \"mlp\" has no batch normalisation: model.batch_norm_statistics must be \"local\"");
  }
}

/// Fails instead of its call `fails_at`, on one rank.
class FailingExchange : public CommunicatorStatistics {
 public:
  FailingExchange(const Communicator& comm, std::optional<std::size_t> fails_at)
      : CommunicatorStatistics(comm), fails_at_(fails_at) {}

  void all_gather(std::span<const double> own, std::span<double> all) override {
    count_call();
    CommunicatorStatistics::all_gather(own, all);
  }
  void sum(std::span<double> numbers) override {
    count_call();
    CommunicatorStatistics::sum(numbers);
  }

 private:
  void count_call() {
    if (calls_++ == fails_at_) throw DataError("no more");
  }

  const std::optional<std::size_t> fails_at_;
  std::size_t calls_ = 0;
};

// A model of two such layers: exchanges 0 and 1 are in forward, 2 and 3 in backward.
TEST_F(SynchronisedSteps, WhereverARankFailsTheOthersComeToTheEnd) {
  for (std::size_t where = 0; where < 4; ++where) {
    FailingExchange exchange(world_, world_.rank() == 1 ? std::optional(where) : std::nullopt);
    Network network(config_.model, {}, {.input = input_, .classes = kClasses}, &exchange);
    const Buckets buckets(world_, plan_buckets(network.parameters(), DType::f64, 800), DType::f64, {});
    network.bind(buckets, {});
    for (std::size_t i = 0; i < network.parameters().size(); ++i)
      initialise(network.parameters()[i], i, 1, buckets.parameter(i));
    const Part part(0, 7, world_.rank(), world_.size());
    bool failed = false;
    double loss = 0.0;
    try {
      loss = network.forward(part.samples());
      network.backward(1.0);
    } catch (const DataError& error) {
      EXPECT_STREQ(error.what(), "no more");
      failed = true;
      network.skip();
    }
    EXPECT_EQ(failed, world_.rank() == 1) << where;
    if (!failed) {
      EXPECT_EQ(std::isnan(loss), where < 2) << where;
    }
    const double again = network.forward(part.samples());  // in step with each other, with statistics that are numbers
    network.backward(1.0);
    EXPECT_TRUE(std::isfinite(again)) << where;
    barrier(world_);
  }
}

}  // namespace

}  // namespace tutti::trainer::test
