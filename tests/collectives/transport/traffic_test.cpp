// Communicators beside each other and beside the program's own MPI traffic, and programs that only end if tutti drives
// MPI while it waits.
#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include <tests/support/ranks/grid.hpp>
#include <tests/support/ranks/members.hpp>
#include <tests/support/ranks/trial.hpp>
#include <tutti/allreduce/allreduce.hpp>
#include <tutti/collectives/collectives.hpp>

namespace tutti {
namespace {

using test::every;
using test::expect_works;
using test::world_size;

TEST(Traffic, OfTheProgramIsLeftAlone) {
  const Communicator comm(MPI_COMM_WORLD, test::patient());
  const Communicator other(MPI_COMM_WORLD, test::patient());
  const int size = comm.size();
  constexpr int kMessages = 20;
  struct Message {
    int from;
    int index;
  };
  std::vector<Message> received(static_cast<std::size_t>(kMessages * size));
  std::vector<MPI_Request> requests;
  for (Message& message : received) {
    MPI_Irecv(&message, 2, MPI_INT, MPI_ANY_SOURCE, MPI_ANY_TAG, MPI_COMM_WORLD, &requests.emplace_back());
  }
  std::vector<Message> sent(received.size());
  for (int i = 0; i < kMessages; ++i) {
    expect_works(i % 2 == 0 ? comm : other, every(0, 1));
    for (int peer = 0; peer < size; ++peer) {
      Message& message =
          sent[static_cast<std::size_t>(i) * static_cast<std::size_t>(size) + static_cast<std::size_t>(peer)];
      message = {.from = comm.rank(), .index = i};
      MPI_Isend(&message, 2, MPI_INT, peer, i % 3, MPI_COMM_WORLD, &requests.emplace_back());
    }
  }
  MPI_Waitall(static_cast<int>(requests.size()), requests.data(), MPI_STATUSES_IGNORE);
  std::vector<int> next(static_cast<std::size_t>(size));
  for (const Message& message : received) {
    EXPECT_EQ(next.at(static_cast<std::size_t>(message.from))++, message.index);
  }
}

TEST(Traffic, OfTwoCommunicatorsIsKeptApart) {
  const Communicator first(MPI_COMM_WORLD, test::patient());
  const auto second = first.split(0, -first.rank());
  for (const std::size_t count : {std::size_t{1}, std::size_t{30000}}) {
    for (int turn = 0; turn < 10; ++turn) {
      std::vector<int> a(count, first.rank());
      std::vector<int> b(count, 100 * first.rank());
      Request on_first = iallreduce(first, std::span(a), ReduceOp::sum);
      Request on_second = iallreduce(*second, std::span(b), ReduceOp::sum);
      expect_works(first, every(0, 1));
      if (turn % 2 == 0) on_second.wait();
      on_first.wait();
      on_second.wait();
      const int sum = first.size() * (first.size() - 1) / 2;
      EXPECT_EQ(a, std::vector<int>(count, sum));
      EXPECT_EQ(b, std::vector<int>(count, 100 * sum));
    }
  }
}

/// Rank `a` posts a receive and enters a collective; rank `b` does a blocking send, of any size, and then enters. Only
/// if the waiting rank drives MPI does the send of a large message return.
class Progress : public testing::TestWithParam<std::size_t> {
 protected:
  template <class Call>
  void run(const Communicator& comm, int a, int b, Call collective) {
    std::vector<std::byte> message(GetParam(), std::byte(comm.rank() == b ? 77 : 0));
    const int bytes = static_cast<int>(message.size());
    MPI_Request request = MPI_REQUEST_NULL;
    if (comm.rank() == a) MPI_Irecv(message.data(), bytes, MPI_BYTE, b, 5, MPI_COMM_WORLD, &request);
    if (comm.rank() == b) MPI_Send(message.data(), bytes, MPI_BYTE, a, 5, MPI_COMM_WORLD);
    collective(comm);
    MPI_Wait(&request, MPI_STATUS_IGNORE);
    if (comm.rank() == a) {
      EXPECT_EQ(message, std::vector<std::byte>(message.size(), std::byte{77}));
    }
  }

  template <class Call>
  void run_both_directions(Call collective) {
    if (world_size() == 1) GTEST_SKIP() << "needs a peer";
    const Communicator comm(MPI_COMM_WORLD, test::patient());
    run(comm, 0, world_size() - 1, collective);
    run(comm, world_size() - 1, 0, collective);
  }
};

TEST_P(Progress, InABarrier) {
  run_both_directions([](const Communicator& comm) { barrier(comm); });
}

TEST_P(Progress, InASmallAllreduce) {
  run_both_directions([](const Communicator& comm) {
    int one = 1;
    allreduce(comm, std::span(&one, 1), ReduceOp::sum);
    EXPECT_EQ(one, comm.size());
  });
}

TEST_P(Progress, InALargeAllreduce) {
  run_both_directions([](const Communicator& comm) {
    std::vector<float> ones(200000, 1.0F);
    allreduce(comm, std::span(ones), ReduceOp::sum);
    EXPECT_EQ(ones.back(), static_cast<float>(comm.size()));
  });
}

/// Small, large in memory that local ranks map, and large in other.
TEST_P(Progress, InEveryCollective) {
  if (world_size() == 1) GTEST_SKIP() << "needs a peer";
  const Communicator comm(MPI_COMM_WORLD, test::patient());
  for (const Collective collective : kAllCollectives) {
    Algorithm unnamed{};
    unnamed.collective = collective;
    const auto call = [&](std::size_t count, unsigned mapped) {
      return [=](const Communicator& on) {
        const test::Case c{.algorithm = unnamed, .count = count, .mapped_inputs = mapped, .mapped_outputs = mapped};
        EXPECT_EQ(test::try_case(on, c), "") << test::describe(c);
      };
    };
    for (const auto& one : {call(3, 0), call(40'000, ~0U), call(40'000, 0)}) {
      run(comm, 0, comm.size() - 1, one);
      run(comm, comm.size() - 1, 0, one);
    }
  }
}

TEST_P(Progress, InTestOfAStartedOperation) {
  run_both_directions([](const Communicator& comm) {
    std::vector<float> ones(200000, 1.0F);
    Request operation = iallreduce(comm, std::span(ones), ReduceOp::sum);
    while (!operation.test()) {
    }
    EXPECT_EQ(ones.back(), static_cast<float>(comm.size()));
  });
}

/// The waiting rank's peer in the collective is a third one: no message of tutti's own is under way between a and b.
TEST_P(Progress, InAPartThatTheSenderIsNotIn) {
  const Communicator world(MPI_COMM_WORLD, test::patient());
  if (world.size() < 3) GTEST_SKIP() << "needs two peers";
  const auto part = world.split(world.rank() == 1 ? -1 : 0);
  std::vector<char> message(GetParam(), static_cast<char>(world.rank()));
  const int bytes = static_cast<int>(message.size());
  if (world.rank() == 0) {
    MPI_Request request = MPI_REQUEST_NULL;
    MPI_Irecv(message.data(), bytes, MPI_CHAR, 1, 5, MPI_COMM_WORLD, &request);
    barrier(*part);
    MPI_Wait(&request, MPI_STATUS_IGNORE);
    EXPECT_EQ(message, std::vector<char>(message.size(), 1));
  } else if (world.rank() == 1) {
    MPI_Send(message.data(), bytes, MPI_CHAR, 0, 5, MPI_COMM_WORLD);
    MPI_Send(nullptr, 0, MPI_CHAR, 2, 6, MPI_COMM_WORLD);
  } else {
    if (world.rank() == 2) MPI_Recv(nullptr, 0, MPI_CHAR, 1, 6, MPI_COMM_WORLD, MPI_STATUS_IGNORE);
    barrier(*part);
  }
}

/// What a rank has sent when its operation is complete arrives without its help, though it now waits in MPI, where
/// tutti is not driven: for a peer that comes to MPI only after the operation. Nobody reads until the sender stalls, so
/// that the last message that it took for sent is the one that filled the connection.
TEST(Sent, ArrivesWithoutTheSender) {
  const Communicator world(MPI_COMM_WORLD, test::patient());
  if (world.size() == 1) GTEST_SKIP() << "needs a peer";
  const int last = world.size() - 1;
  const auto pair = world.split(world.rank() == 0 || world.rank() == last ? 0 : -1);
  if (!pair) return;
  constexpr int kMost = 8000;
  const auto start = [&](std::vector<int>& data) { return ibroadcast(*pair, Buffer(std::span(data)), 0); };
  const auto is_done_soon = [](Request& operation) {
    const auto limit = std::chrono::steady_clock::now() + std::chrono::milliseconds(200);
    while (!operation.test()) {
      if (std::chrono::steady_clock::now() >= limit) return false;
    }
    return true;
  };
  barrier(*pair);  // connects
  std::vector<int> data(500, world.rank() == 0 ? 7 : 0);
  int complete = 0;
  if (world.rank() == 0) {
    std::optional<Request> stalled;
    for (; complete < kMost; ++complete) {
      stalled.emplace(start(data));
      if (!is_done_soon(*stalled)) break;
    }
    EXPECT_GT(complete, 0);  // or nothing is proved
    MPI_Send(&complete, 1, MPI_INT, last, 5, MPI_COMM_WORLD);
    MPI_Recv(nullptr, 0, MPI_INT, last, 6, MPI_COMM_WORLD, MPI_STATUS_IGNORE);
    stalled->wait();
    return;
  }
  MPI_Recv(&complete, 1, MPI_INT, 0, 5, MPI_COMM_WORLD, MPI_STATUS_IGNORE);
  for (int i = 0; i < complete; ++i) {
    std::fill(data.begin(), data.end(), 0);
    start(data).wait();
    ASSERT_EQ(data, std::vector<int>(data.size(), 7)) << "message " << i << " of " << complete;
  }
  MPI_Send(nullptr, 0, MPI_INT, 0, 6, MPI_COMM_WORLD);
  if (complete < kMost) start(data).wait();
}

INSTANTIATE_TEST_SUITE_P(Bytes, Progress,
                         testing::Values(std::size_t{16}, std::size_t{4096}, std::size_t{1} << 16,
                                         std::size_t{1} << 20),
                         [](const auto& row) { return std::to_string(row.param); });

}  // namespace
}  // namespace tutti
