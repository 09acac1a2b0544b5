// A rank that is stopped (kill -STOP), before a collective or in the middle of it: at the timeout the others say whom
// they wait for, in every collective. When it goes on it learns that they have given up, in its next call at the
// latest.
#include <gtest/gtest.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <span>
#include <string>
#include <vector>

#include <tests/support/ranks/errors.hpp>
#include <tutti/collectives/schedule/schedule.hpp>
#include <tutti/kernels/text.hpp>

namespace tutti::test {
namespace {

constexpr double kTimeout = 0.4;

/// One call of a collective; rank 0 is the root.
Request start(const Communicator& comm, Collective collective, std::size_t count) {
  const std::span<float> block = lasting<float>(count);
  const std::span<float> all = lasting<float>(count * static_cast<std::size_t>(comm.size()));
  switch (collective) {
    case Collective::allreduce:
      return iallreduce(comm, block, ReduceOp::sum);
    case Collective::broadcast:
      return ibroadcast(comm, Buffer(block), 0);
    case Collective::all_gather:
      return iall_gather(comm, ConstBuffer(Buffer(block)), Buffer(all));
    case Collective::reduce_scatter:
      return ireduce_scatter(comm, ConstBuffer(Buffer(all)), Buffer(block), ReduceOp::sum);
    case Collective::reduce:
      return ireduce(comm, ConstBuffer(Buffer(block)), Buffer(lasting<float>(count)), ReduceOp::sum, 0);
    case Collective::all_to_all:
      return iall_to_all(comm, ConstBuffer(Buffer(all)),
                         Buffer(lasting<float>(count * static_cast<std::size_t>(comm.size()))));
    case Collective::gather:
      return igather(comm, ConstBuffer(Buffer(block)), Buffer(all), 0);
    case Collective::scatter:
      return iscatter(comm, ConstBuffer(Buffer(all)), Buffer(block), 0);
    case Collective::barrier:
      break;
  }
  return ibarrier(comm);
}

/// Someone whom the others wait for, if not in the collective, then in the barrier that follows.
int rank_to_stop(const Communicator& comm, Collective collective) {
  return collective == Collective::broadcast || collective == Collective::scatter ? 0 : comm.size() - 1;
}

class Stopped : public testing::TestWithParam<Collective> {
 protected:
  void SetUp() override {
    if (world_.size() == 1) GTEST_SKIP() << "needs a peer";
    const int own = getpid();
    MPI_Allgather(&own, 1, MPI_INT, processes_.data(), 1, MPI_INT, MPI_COMM_WORLD);
  }

  void check(std::size_t count, bool in_the_middle) {
    const Communicator comm = with_timeout(kTimeout);
    const int stopped = rank_to_stop(comm, GetParam());
    const bool is_stopped = comm.rank() == stopped;
    MPI_Comm others = MPI_COMM_NULL;
    MPI_Comm_split(MPI_COMM_WORLD, is_stopped ? 1 : 0, 0, &others);
    MPI_Barrier(MPI_COMM_WORLD);
    const auto begin = Clock::now();
    const Result result = attempt([&] {
      if (is_stopped && !in_the_middle) raise(SIGSTOP);
      Request operation = start(comm, GetParam(), count);
      if (is_stopped && in_the_middle) raise(SIGSTOP);
      operation.wait();
      barrier(comm);
    });
    if (!is_stopped) {
      EXPECT_EQ(result.outcome, Outcome::communication);
      EXPECT_TRUE(contains(result.message, text("no progress for ", kTimeout, " s; waits for rank")));
      EXPECT_TRUE(contains(result.message, text("rank ", stopped, " has not entered any collective")));
      EXPECT_GE(Clock::now() - begin, std::chrono::duration<double>(0.9 * kTimeout));
      EXPECT_LT(Clock::now() - begin, kSoon);
      MPI_Barrier(others);
      if (comm.rank() == (stopped == 0 ? 1 : 0)) kill(processes_[static_cast<std::size_t>(stopped)], SIGCONT);
    }
    MPI_Comm_free(&others);
    MPI_Barrier(MPI_COMM_WORLD);
    expect_unusable(comm);
  }

 private:
  Communicator world_ = world();
  std::vector<int> processes_ = std::vector<int>(static_cast<std::size_t>(world_.size()));
};

TEST_P(Stopped, BeforeASmallOne) { check(3, false); }

TEST_P(Stopped, InTheMiddleOfALargeOne) { check(300'000, true); }

INSTANTIATE_TEST_SUITE_P(Collectives, Stopped, testing::ValuesIn(kAllCollectives),
                         [](const auto& row) { return std::string(name(row.param)); });

}  // namespace
}  // namespace tutti::test
