// Collectives that are set up once and started many times, and that starting like calls takes no memory.
#include <gtest/gtest.h>

#include <algorithm>
#include <climits>
#include <vector>

#include <tests/support/ranks/grid.hpp>
#include <tutti/allreduce/allreduce.hpp>
#include <tutti/collectives/persistent.hpp>
#include <tutti/kernels/error.hpp>

/// So far, by C++ means (counted_new.cpp). MPI's own, by malloc, are not tutti's.
long allocations() noexcept;

namespace tutti {
namespace {

class Persistent : public testing::Test {
 protected:
  Communicator comm_{MPI_COMM_WORLD, test::patient()};
  std::size_t size_ = static_cast<std::size_t>(comm_.size());
  int rank_ = comm_.rank();
};

TEST_F(Persistent, StartsAnewEachTime) {
  std::vector<int> data(101);
  std::vector<int> all(101 * size_);
  std::vector<int> slice(7);
  std::vector<int> wide(7 * size_);
  PersistentRequest sum = allreduce_init(comm_, Buffer(std::span(data)), Buffer(std::span(data)), ReduceOp::sum);
  PersistentRequest gathered = all_gather_init(comm_, Buffer(std::span(data)), Buffer(std::span(all)));
  PersistentRequest scattered =
      reduce_scatter_init(comm_, Buffer(std::span(wide)), Buffer(std::span(slice)), ReduceOp::max);
  PersistentRequest told = broadcast_init(comm_, Buffer(std::span(slice)), comm_.size() - 1);
  PersistentRequest met = barrier_init(comm_);
  const int ranks = comm_.size();
  for (int turn = 0; turn < 20; ++turn) {
    std::fill(data.begin(), data.end(), rank_ + turn);
    for (std::size_t i = 0; i < wide.size(); ++i) wide[i] = rank_ * turn + static_cast<int>(i);
    sum.start();
    scattered.start();
    scattered.wait();
    sum.wait();
    for (const int value : data) ASSERT_EQ(value, ranks * (ranks - 1) / 2 + ranks * turn) << turn;
    for (std::size_t i = 0; i < 7; ++i) {
      ASSERT_EQ(slice[i], (ranks - 1) * turn + static_cast<int>(i) + 7 * rank_) << turn;
    }
    std::fill(data.begin(), data.end(), rank_ - turn);
    gathered.start();
    told.start();
    while (!gathered.test()) {
    }
    told.wait();
    for (std::size_t i = 0; i < all.size(); ++i) ASSERT_EQ(all[i], static_cast<int>(i / 101) - turn);
    for (std::size_t i = 0; i < 7; ++i) {
      ASSERT_EQ(slice[i], (ranks - 1) * turn + static_cast<int>(i) + 7 * (ranks - 1)) << turn;
    }
    met.start();
    met.wait();
  }
}

TEST_F(Persistent, RootedOnesAndExchanges) {
  const int root = comm_.size() / 2;
  std::vector<int> one(5);
  std::vector<int> all(5 * size_);
  std::vector<int> sum(5);
  std::vector<int> swapped(5 * size_);
  PersistentRequest gathered = gather_init(comm_, Buffer(std::span(one)), Buffer(std::span(all)), root);
  PersistentRequest reduced = reduce_init(comm_, Buffer(std::span(one)), Buffer(std::span(sum)), ReduceOp::sum, root);
  PersistentRequest exchanged = all_to_all_init(comm_, Buffer(std::span(all)), Buffer(std::span(swapped)));
  PersistentRequest scattered = scatter_init(comm_, Buffer(std::span(all)), Buffer(std::span(one)), root);
  for (int turn = 0; turn < 10; ++turn) {
    std::fill(one.begin(), one.end(), rank_ + turn);
    gathered.start();
    reduced.start();
    gathered.wait();
    reduced.wait();
    if (rank_ == root) {
      for (std::size_t i = 0; i < all.size(); ++i) ASSERT_EQ(all[i], static_cast<int>(i / 5) + turn);
      for (const int value : sum) ASSERT_EQ(value, comm_.size() * (comm_.size() - 1) / 2 + comm_.size() * turn);
    }
    for (std::size_t i = 0; i < all.size(); ++i) all[i] = rank_ * 100 + static_cast<int>(i / 5) + turn;
    exchanged.start();
    exchanged.wait();
    for (std::size_t i = 0; i < all.size(); ++i) ASSERT_EQ(swapped[i], static_cast<int>(i / 5) * 100 + rank_ + turn);
    scattered.start();
    scattered.wait();
    for (const int value : one) ASSERT_EQ(value, root * 100 + rank_ + turn);
  }
}

TEST_F(Persistent, WrongUseIsInvalid) {
  PersistentRequest empty;
  EXPECT_THROW(empty.start(), InvalidArgument);
  EXPECT_TRUE(empty.test());
  std::vector<float> data(10);
  EXPECT_THROW(static_cast<void>(broadcast_init(comm_, Buffer(std::span(data)), comm_.size())), InvalidArgument);
  EXPECT_THROW(
      static_cast<void>(allreduce_init(comm_, Buffer(std::span(data)), Buffer(std::span(data)), ReduceOp::bit_or)),
      InvalidArgument);
  if (comm_.size() == 1) return;
  PersistentRequest sum =
      allreduce_init(comm_, Buffer(std::span(data)), Buffer(std::span(data)), ReduceOp::sum, {.algorithm = "ring"});
  sum.start();
  EXPECT_THROW(sum.start(), InvalidArgument);
  sum.wait();
  sum.start();
  sum.wait();
}

TEST_F(Persistent, WrongOnOneRankIsAnErrorOnAll) {
  if (comm_.size() == 1) GTEST_SKIP() << "needs several ranks";
  std::vector<float> data(10);
  const auto make_and_start = [&] {
    PersistentRequest sum =
        reduce_init(comm_, Buffer(std::span(data)), Buffer(std::span(data)), ReduceOp::sum, rank_ == 0 ? 99 : 0);
    sum.start();
    sum.wait();
    barrier(comm_);
  };
  if (rank_ == 0) {
    EXPECT_THROW(make_and_start(), InvalidArgument);
  } else {
    EXPECT_THROW(make_and_start(), CommunicationError);
  }
}

/// The fewest allocations in any of some rounds of so many turns, after one round that is not counted: memory grows to
/// the most that was ever under way at once, which depends on who is late, but like calls come to take none at all.
template <class Act>
long allocations_of(int turns, Act act) {
  constexpr int kRounds = 5;
  long fewest = LONG_MAX;
  for (int round = 0; round <= kRounds; ++round) {
    const long before = allocations();
    for (int turn = 0; turn < turns; ++turn) act();
    if (round > 0) fewest = std::min(fewest, allocations() - before);
  }
  return fewest;
}

TEST_F(Persistent, LikeCallsTakeNoMemory) {
  if (comm_.size() == 1) GTEST_SKIP() << "alone, a collective is a copy";
  std::vector<float> data(20'000);
  std::vector<float> all(2000 * size_);
  const std::span<float> some(data.data(), 2000);
  PersistentRequest sum = allreduce_init(comm_, Buffer(some), Buffer(some), ReduceOp::sum);
  EXPECT_EQ(allocations_of(30,
                           [&] {
                             sum.start();
                             sum.wait();
                           }),
            0);
  EXPECT_EQ(allocations_of(30, [&] { allreduce(comm_, some, ReduceOp::max); }), 0);
  EXPECT_EQ(allocations_of(30, [&] { allreduce(comm_, std::span(data), ReduceOp::max, {.segment_bytes = 4000}); }), 0);
  EXPECT_EQ(allocations_of(30, [&] { all_gather(comm_, ConstBuffer(some), Buffer(std::span(all))); }), 0);
  EXPECT_EQ(allocations_of(30, [&] { broadcast(comm_, std::span(data), 0); }), 0);
  EXPECT_EQ(allocations_of(30,
                           [&] {
                             Request one = iallreduce(comm_, some, ReduceOp::max);
                             Request other = ibroadcast(comm_, Buffer(std::span(all)), 0);
                             other.wait();
                             one.wait();
                           }),
            0);
}

}  // namespace
}  // namespace tutti
