// The time that ranks take together.
#include <gtest/gtest.h>
#include <mpi.h>

#include <algorithm>
#include <chrono>
#include <thread>

#include "tools/perf/spans.hpp"

namespace tutti::tools {
namespace {

constexpr auto kWork = std::chrono::milliseconds(5);
constexpr auto kDelay = std::chrono::milliseconds(30);

/// Milliseconds of work that each rank begins later than the one before, of the shortest and the longest attempt: other
/// programs may delay what they like.
struct Attempts {
  double least;
  double most;
};
Attempts staggered(const Communicator& comm) {
  using Clock = std::chrono::steady_clock;
  Spans spans;
  for (int i = 0; i < 10; ++i) {
    Clock::rep begin = (Clock::now() + kDelay).time_since_epoch().count();
    MPI_Bcast(&begin, 1, MPI_INT64_T, 0, comm.mpi());
    std::this_thread::sleep_until(Clock::time_point(Clock::duration(begin)) + comm.rank() * kDelay);
    spans.time([] { std::this_thread::sleep_for(kWork); });
  }
  const auto times = spans.microseconds(comm);
  EXPECT_EQ(times.size(), 10U);
  const auto [least, most] = std::minmax_element(times.begin(), times.end());
  return {.least = *least / 1e3, .most = *most / 1e3};
}

TEST(Spans, OnOneNodeGoFromTheFirstBeginToTheLastEnd) {
  const Communicator comm(MPI_COMM_WORLD);
  const auto [least, most] = staggered(comm);
  if (comm.rank() > 0) return;
  EXPECT_GE(most, 30 * (comm.size() - 1) + 4);  // the first may begin a little late
  EXPECT_LE(least, 30 * comm.size());
}

TEST(Spans, OverNodesAreTheLongestOfTheRanksOwn) {
  const Communicator comm(MPI_COMM_WORLD, {.ranks_per_node = 1});
  const auto [least, most] = staggered(comm);
  if (comm.rank() > 0) return;
  EXPECT_GE(least, 5);
  EXPECT_LE(least, 30);
}

TEST(Spans, RanksThatTakeNoPartDoNotCount) {
  for (const int ranks_per_node : {0, 1}) {
    const Communicator comm(MPI_COMM_WORLD, {.ranks_per_node = ranks_per_node});
    Spans spans;
    for (int who = 0; who < comm.size(); ++who)
      comm.rank() == who ? spans.time([] { std::this_thread::sleep_for(kWork); }) : spans.skip();
    EXPECT_FALSE(spans.empty());
    const auto times = spans.microseconds(comm);
    spans.clear();
    EXPECT_TRUE(spans.empty());
    if (comm.rank() > 0) continue;
    for (const double time : times) {
      EXPECT_GE(time, 5e3);
      EXPECT_LE(time, 1e7);
    }
  }
}

}  // namespace
}  // namespace tutti::tools
