// Messages between two ranks that never come: peers that are missing or wait themselves, operations given up.
#include <gtest/gtest.h>

#include <chrono>
#include <span>
#include <string>
#include <thread>
#include <vector>

#include <tests/support/ranks/errors.hpp>
#include <tutti/collectives/point_to_point.hpp>
#include <tutti/kernels/text.hpp>

namespace tutti::test {
namespace {

/// No timeout: it would hang.
TEST(Oneself, IsNotWaitedFor) {
  for (const int from : {0, kAnySource}) {
    const Communicator comm(MPI_COMM_SELF);
    const Result result = attempt([&] { receive(comm, lasting<float>(6), from); });
    EXPECT_EQ(result.outcome, Outcome::communication);
    EXPECT_TRUE(contains(result.message, "rank 0 itself has not sent it"));
    EXPECT_TRUE(contains(result.message, "(f32 x 6)"));
  }
}

TEST(MissingPeer, OfAReceiveIsNamedAtTheTimeout) {
  for (const bool any_source : {false, true}) {
    const Communicator comm = with_timeout(1.0);
    if (comm.size() == 1) GTEST_SKIP() << "needs a peer";
    const int missing = comm.size() - 1;
    if (comm.rank() == 0) {
      const auto begin = Clock::now();
      const Result result = attempt([&] { receive(comm, lasting<int>(3), any_source ? kAnySource : missing); });
      EXPECT_EQ(result.outcome, Outcome::communication);
      EXPECT_TRUE(contains(result.message, "no progress for 1 s"));
      EXPECT_TRUE(contains(result.message, any_source ? "receive from any rank (i32 x 3)"
                                                      : text("receive from rank ", missing, " (i32 x 3)")));
      EXPECT_TRUE(contains(result.message, any_source ? "waits for a message from any rank"
                                                      : text("waits for messages from rank ", missing)));
      if (!any_source || missing <= 4) {
        EXPECT_TRUE(contains(result.message, text("rank ", missing, " has not entered any collective")));
      }
      EXPECT_GE(Clock::now() - begin, std::chrono::milliseconds(950));
      EXPECT_LT(Clock::now() - begin, kSoon);
    }
    MPI_Barrier(MPI_COMM_WORLD);
    expect_unusable(comm);
  }
}

TEST(MissingPeer, OfASendIsNamedAtTheTimeout) {
  const Communicator comm = with_timeout(1.0);
  if (comm.size() == 1) GTEST_SKIP() << "needs a peer";
  const int missing = comm.size() - 1;
  if (comm.rank() == 0) {
    const Result result = attempt([&] { send(comm, lasting<int>(3000000), missing); });
    EXPECT_EQ(result.outcome, Outcome::communication);
    EXPECT_TRUE(contains(result.message, text("send to rank ", missing, " (i32 x 3000000): no progress")));
    EXPECT_TRUE(contains(result.message, text("waits for messages to be taken by rank ", missing)));
  }
  MPI_Barrier(MPI_COMM_WORLD);
  expect_unusable(comm);
}

TEST(MissingPeer, IsWarnedOf) {
  CommunicatorOptions options = patient();
  options.stall_warning = std::chrono::milliseconds(200);
  const Communicator comm(MPI_COMM_WORLD, options);
  if (comm.size() == 1) GTEST_SKIP() << "needs a peer";
  testing::internal::CaptureStderr();
  if (comm.rank() == 0) {
    receive(comm, lasting<int>(3), 1);
  } else if (comm.rank() == 1) {
    std::this_thread::sleep_for(std::chrono::milliseconds(600));
    send(comm, lasting<int>(3), 0);
  }
  const std::string warnings = testing::internal::GetCapturedStderr();
  if (comm.rank() == 0) {
    EXPECT_TRUE(contains(warnings, "tutti: warning: rank 0: receive from rank 1 (i32 x 3): no progress"));
  } else {
    EXPECT_EQ(warnings, "");
  }
  MPI_Barrier(MPI_COMM_WORLD);
}

/// A message and a collective that wait for each other: each says what the other is in.
TEST(HangReport, LeadsFromAMessageToACollectiveAndBack) {
  for (const bool message_gives_up_first : {false, true}) {
    int rank = 0;
    MPI_Comm_rank(MPI_COMM_WORLD, &rank);
    // Ranks differ in their timeouts so that one of them always is the first.
    const bool gives_up = (rank == 1) == message_gives_up_first;
    const Communicator comm = with_timeout(gives_up ? 1.5 : 8);
    if (comm.size() == 1) GTEST_SKIP() << "needs a peer";
    const Result result = attempt([&] {
      if (comm.rank() == 1) {
        receive(comm, lasting<float>(5), 0);
      } else {
        barrier(comm);
      }
    });
    EXPECT_EQ(result.outcome, Outcome::communication);
    if (message_gives_up_first) {
      EXPECT_TRUE(contains(result.message, "receive from rank 0 (f32 x 5): no progress"));
      EXPECT_TRUE(contains(result.message, "rank 0 is in barrier #0"));
    } else if (comm.rank() == 0 && comm.size() == 2) {
      EXPECT_TRUE(contains(result.message, "rank 1 has not begun it and is in receive from rank 0 (f32 x 5)"));
    } else {
      EXPECT_TRUE(contains(result.message, "barrier #0"));
    }
    expect_unusable(comm);
  }
}

/// Collectives under way do not hide that a rank waits for a message.
TEST(HangReport, TellsOfAMessageWhileTheCollectiveIsUnderWay) {
  int rank = 0;
  MPI_Comm_rank(MPI_COMM_WORLD, &rank);
  const Communicator comm = with_timeout(rank == 0 ? 1.5 : 8);
  if (comm.size() < 3) GTEST_SKIP() << "needs two peers";
  if (comm.rank() != 2) {  // which takes no part until the end
    const Result result = attempt([&] {
      if (comm.rank() == 1) {
        Request collective = ibarrier(comm);
        receive(comm, lasting<float>(5), 2);
        collective.wait();
      } else if (comm.rank() == 0) {
        receive(comm, lasting<float>(7), 1);
      } else {
        barrier(comm);
      }
    });
    EXPECT_EQ(result.outcome, Outcome::communication);
    EXPECT_TRUE(contains(result.message, "receive from rank 1 (f32 x 7): no progress"));
    EXPECT_TRUE(contains(result.message, "rank 1 is in receive from rank 2 (f32 x 5) and waits for messages from"));
  }
  MPI_Barrier(MPI_COMM_WORLD);
  expect_unusable(comm);
}

TEST(GivenUpMessage, TakesItsCommunicatorWithIt) {
  for (const int kind : {0, 1, 2, 3}) {
    const Communicator comm = with_timeout(20);
    if (comm.size() == 1) GTEST_SKIP() << "needs a peer";
    const auto begin = Clock::now();
    if (comm.rank() == 0) {
      const Buffer data(lasting<float>(1000000));
      {
        Request given_up;
        MessageGroup group(comm);
        if (kind == 0) given_up = isend(comm, data, 1);
        if (kind == 1) given_up = ireceive(comm, data, 1);
        if (kind == 2) given_up = ireceive(comm, data, kAnySource);
        if (kind == 3) {
          group.receive(data, 1);
          given_up = group.start();
        }
        EXPECT_FALSE(given_up.test());
      }
      EXPECT_TRUE(comm.unusable());
    } else {
      const Result result = attempt([&] { barrier(comm); });
      EXPECT_EQ(result.outcome, Outcome::communication);
      EXPECT_TRUE(contains(result.message, "given up"));
      EXPECT_TRUE(contains(result.message, "rank 0: "));
    }
    expect_unusable(comm);
    EXPECT_LT(Clock::now() - begin, kSoon);
  }
}

/// Complete, though nobody has looked: giving the handle up is then no failure.
TEST(GivenUpMessage, IsNoneOnceItHasArrived) {
  const Communicator comm(MPI_COMM_WORLD, patient());
  const int next = (comm.rank() + 1) % comm.size();
  const std::span<float> data = lasting<float>(10, 3.0F);
  const std::span<float> received = lasting<float>(10);
  {
    const Request receiving = ireceive(comm, received, (comm.rank() + comm.size() - 1) % comm.size());
    send(comm, data, next);
    barrier(comm);
    const std::span<float> after = lasting<float>(1);  // follows it, so that it has come
    send(comm, after, next);
    receive(comm, lasting<float>(1), (comm.rank() + comm.size() - 1) % comm.size());
  }
  EXPECT_FALSE(comm.unusable());
  EXPECT_EQ(received[9], 3.0F);
  barrier(comm);
}

}  // namespace
}  // namespace tutti::test
