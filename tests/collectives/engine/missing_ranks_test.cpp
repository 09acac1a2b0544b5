// Ranks that never call, come late, or leave: what the others are told, and when.
#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <span>
#include <string>
#include <thread>
#include <vector>

#include <tutti/kernels/text.hpp>

#include <tests/support/ranks/errors.hpp>

namespace tutti::test {
namespace {

TEST(Missing, IsNamedAtTheTimeout) {
  for (const std::size_t count : {std::size_t{3}, std::size_t{300000}}) {
    const Communicator comm = with_timeout(1.5);
    if (comm.size() == 1) GTEST_SKIP() << "needs a peer";
    const int missing = comm.size() - 1;
    const auto begin = Clock::now();
    Result result;
    if (comm.rank() != missing) {
      result = attempt([&] { allreduce(comm, lasting<float>(count), ReduceOp::sum); });
      EXPECT_EQ(result.outcome, Outcome::communication);
      EXPECT_TRUE(contains(result.message, "rank"));
      EXPECT_TRUE(contains(result.message, "no progress for 1.5 s"));
      EXPECT_GE(Clock::now() - begin, std::chrono::milliseconds(1400));
      EXPECT_LT(Clock::now() - begin, kSoon);
    }
    if (comm.rank() != missing) {
      EXPECT_TRUE(contains(result.message, text("rank ", missing, " has not entered any collective")));
    }
    MPI_Barrier(MPI_COMM_WORLD);
    expect_unusable(comm);
  }
}

TEST(Missing, IsWarnedOfOnceAndThenAllIsWell) {
  CommunicatorOptions options = patient();
  options.stall_warning = std::chrono::milliseconds(500);  // by then all that wait show it
  const Communicator comm(MPI_COMM_WORLD, options);
  if (comm.size() == 1) GTEST_SKIP() << "needs a peer";
  const int late = comm.size() - 1;
  testing::internal::CaptureStderr();
  for (int turn = 0; turn < 2; ++turn) {
    MPI_Barrier(MPI_COMM_WORLD);
    if (comm.rank() == late) std::this_thread::sleep_for(std::chrono::milliseconds(1000));
    int one = 1;
    // On one level also where nodes are pretended: of two, stages have numbers of their own.
    allreduce(comm, std::span(&one, 1), ReduceOp::sum, {.algorithm = "recursive_doubling"});
    EXPECT_EQ(one, comm.size());
  }
  const std::string warnings = testing::internal::GetCapturedStderr();
  if (comm.rank() != 0) {  // the lowest rank that waits speaks for its machine
    EXPECT_EQ(warnings, "");
    return;
  }
  const auto count_of = [&](const std::string& part) {
    int count = 0;
    for (std::size_t at = 0; (at = warnings.find(part, at)) != std::string::npos; at += part.size()) ++count;
    return count;
  };
  EXPECT_EQ(count_of("tutti: warning: "), 2) << warnings;  // one a call
  // The rest is the hang report: what everybody does, and the suspect.
  EXPECT_EQ(count_of(text("suspect: rank ", late, " (pid ")), 2) << warnings;
  EXPECT_EQ(count_of("suspect: "), 2) << warnings;
  EXPECT_EQ(count_of(") waits in allreduce #"), 2 * late) << warnings;
  EXPECT_TRUE(contains(warnings, ") is in no tutti call"));
  EXPECT_TRUE(contains(warnings, text("tutti: warning: rank ", comm.rank(), ": allreduce #0")));
  EXPECT_TRUE(contains(warnings, "allreduce #1"));
  EXPECT_TRUE(contains(warnings, "sum i32 x 1"));
  EXPECT_TRUE(contains(warnings, "from rank"));
}

TEST(Missing, IsNotWarnedOfIfNotAskedTo) {
  CommunicatorOptions options = patient();
  options.stall_warning = std::chrono::seconds(0);
  const Communicator comm(MPI_COMM_WORLD, options);
  testing::internal::CaptureStderr();
  if (comm.rank() == 0) std::this_thread::sleep_for(std::chrono::milliseconds(300));
  barrier(comm);
  EXPECT_EQ(testing::internal::GetCapturedStderr(), "");
}

TEST(Abandoned, TellsEveryRankWhy) {
  for (const bool long_reason : {false, true}) {
    const Communicator comm = with_timeout(20);
    const Communicator copy = comm;
    if (comm.size() == 1) GTEST_SKIP() << "needs a peer";
    const int leaver = comm.size() - 1;
    const std::string reason = "the disk is full" + std::string(long_reason ? 1000 : 0, '.');
    const auto begin = Clock::now();
    if (comm.rank() == leaver) {
      std::this_thread::sleep_for(std::chrono::milliseconds(50));
      comm.abandon(reason);
      EXPECT_TRUE(copy.unusable());
    } else {
      const Result result = attempt([&] { allreduce(comm, lasting<float>(10), ReduceOp::sum); });
      EXPECT_EQ(result.outcome, Outcome::communication);
      EXPECT_TRUE(contains(result.message, "the disk is full"));
      EXPECT_TRUE(contains(result.message, text("rank ", leaver)));
    }
    expect_unusable(copy);
    EXPECT_LT(Clock::now() - begin, kSoon);
  }
}

TEST(Abandoned, FailsOperationsThatAreUnderWay) {
  const Communicator comm = with_timeout(20);
  if (comm.size() == 1) GTEST_SKIP() << "needs a peer";
  std::vector<Request> operations;
  if (comm.rank() != 0) {
    for (int i = 0; i < 5; ++i) operations.push_back(iallreduce(comm, lasting<float>(100000), ReduceOp::sum));
  } else {
    comm.abandon("enough");
  }
  for (Request& operation : operations) {
    const Result result = attempt([&] { operation.wait(); });
    EXPECT_EQ(result.outcome, Outcome::communication);
    EXPECT_TRUE(contains(result.message, "enough"));
  }
  expect_unusable(comm);
}

TEST(GivenUp, AnOperationTakesItsCommunicatorWithIt) {
  for (const std::size_t count : {std::size_t{3}, std::size_t{300000}}) {
    const Communicator comm = with_timeout(20);
    if (comm.size() == 1) GTEST_SKIP() << "needs a peer";
    const std::span<float> data = lasting<float>(count);
    if (comm.rank() == 0) {
      { const Request given_up = iallreduce(comm, data, ReduceOp::sum); }
      EXPECT_TRUE(comm.unusable());
    } else {
      std::this_thread::sleep_for(std::chrono::milliseconds(50));  // rank 0 cannot complete
      const Result result = attempt([&] {
        allreduce(comm, data, ReduceOp::sum);
        barrier(comm);
      });
      EXPECT_EQ(result.outcome, Outcome::communication);
      EXPECT_TRUE(contains(result.message, "given up"));
      EXPECT_TRUE(contains(result.message, "rank 0"));
    }
    expect_unusable(comm);
  }
}

TEST(Failed, CommunicatorsLeaveOthersAlone) {
  const Communicator good(MPI_COMM_WORLD, patient());
  const Communicator bad = with_timeout(20);
  std::vector<int> data(100000, 1);
  Request operation = iallreduce(good, std::span(data), ReduceOp::sum);
  if (bad.rank() == 0) bad.abandon("a test");
  if (bad.size() > 1) expect_unusable(bad);
  operation.wait();
  EXPECT_EQ(data, std::vector<int>(data.size(), good.size()));
  EXPECT_FALSE(good.unusable());
}

}  // namespace
}  // namespace tutti::test
