// What waiting costs: the processor, and other ranks.
#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <ctime>
#include <span>
#include <thread>
#include <vector>

#include <tests/support/ranks/grid.hpp>
#include <tutti/allreduce/allreduce.hpp>

namespace tutti {
namespace {

double processor_seconds() {
  timespec time{};
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
  return static_cast<double>(time.tv_sec) + 1e-9 * static_cast<double>(time.tv_nsec);
}

/// Ranks that wait for a late one leave the processor to others: one that spun would use all of a core. Judged only
/// where there is a core for each of them.
TEST(Waiting, LeavesTheProcessorToOthers) {
  const Communicator comm(MPI_COMM_WORLD, test::patient());
  const auto late = std::chrono::milliseconds(400);
  double one = 1;
  allreduce(comm, std::span(&one, 1), ReduceOp::sum);
  const double before = processor_seconds();
  if (comm.rank() == comm.size() - 1) std::this_thread::sleep_for(late);
  allreduce(comm, std::span(&one, 1), ReduceOp::sum);
  double used = processor_seconds() - before;
  allreduce(comm, std::span(&used, 1), ReduceOp::max);
  if (comm.rank() == 0) std::printf("used %.0f ms of %lld\n", used * 1e3, static_cast<long long>(late.count()));
  if (comm.size() - 1 > static_cast<int>(std::thread::hardware_concurrency())) return;
  EXPECT_LT(used, 0.5 * std::chrono::duration<double>(late).count());
}

/// More ranks than cores are slower in proportion, and do not collapse: ranks that kept the processor would need whole
/// scheduler slices (milliseconds) for every one of the few messages in a row. Judged by the fast tenth, which other
/// load on the machine leaves alone.
TEST(Waiting, IsProportionateWhenOversubscribed) {
  constexpr int kTurns = 300;
  const Communicator comm(MPI_COMM_WORLD, test::patient());
  std::vector<double> microseconds;
  for (int turn = 0; turn < kTurns; ++turn) {
    double one = 1;
    const auto begin = std::chrono::steady_clock::now();
    allreduce(comm, std::span(&one, 1), ReduceOp::sum);
    microseconds.push_back(std::chrono::duration<double, std::micro>(std::chrono::steady_clock::now() - begin).count());
    ASSERT_EQ(one, comm.size());
  }
  std::sort(microseconds.begin(), microseconds.end());
  if (comm.rank() == 0) {
    std::printf("8 B: fast tenth %.1f us, median %.1f us\n", microseconds[kTurns / 10], microseconds[kTurns / 2]);
  }
  EXPECT_LT(microseconds[kTurns / 10], 2000);
}

}  // namespace
}  // namespace tutti
