// Messages between two ranks that arrive: all pairs, sizes and types, in order, from any source.
#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <string>
#include <vector>

#include <tests/support/ranks/grid.hpp>
#include <tests/support/ranks/messages.hpp>
#include <tutti/allreduce/tutti.hpp>

namespace tutti {
namespace {

using test::content;
using test::expect_content;
using test::Guarded;
using test::patient;
using test::Sent;

/// Around the largest payload that travels with its header, which is 4096 bytes.
std::vector<std::size_t> counts_of(DType dtype) {
  const std::size_t limit = 4096 / size_of(dtype);
  return {0, 1, limit - 1, limit, limit + 1, 70001};
}

TEST(Messages, ReachEveryRankFromEveryRank) {
  const Communicator comm(MPI_COMM_WORLD, patient());
  for (int from = 0; from < comm.size(); ++from) {
    for (int to = 0; to < comm.size(); ++to) {
      std::size_t number = 0;
      for (const DType dtype : kAllDTypes) {
        for (const std::size_t count : counts_of(dtype)) {
          ++number;
          if (comm.rank() == from) {
            Sent sent(dtype, from, to, number, count);
            send(comm, sent.memory.buffer(), to);
          }
          if (comm.rank() == to) {
            Guarded received(dtype, count, number % 3);
            ASSERT_EQ(receive(comm, received.buffer(), from), from);
            expect_content(received, dtype, from, to, number, count);
          }
        }
      }
    }
  }
}

TEST(Messages, HaveTypedDoors) {
  const Communicator comm(MPI_COMM_WORLD, patient());
  const int next = (comm.rank() + 1) % comm.size();
  const int last = (comm.rank() + comm.size() - 1) % comm.size();
  const std::vector<double> own(5, comm.rank());
  std::vector<double> theirs(5, -1);
  Request sending = isend(comm, std::span(own), next);
  EXPECT_EQ(receive(comm, std::span(theirs), last), last);
  sending.wait();
  EXPECT_EQ(theirs, std::vector<double>(5, last));

  int source = -7;
  Request receiving = ireceive(comm, std::span(theirs), last, &source);
  send(comm, std::span(own), next);
  receiving.wait();
  EXPECT_EQ(source, last);

  MessageGroup group(comm);
  group.send(std::span(own), next);
  group.receive(std::span(theirs), last);
  group.start().wait();
  EXPECT_EQ(theirs, std::vector<double>(5, last));
}

/// Started in order, waited for in another on every rank; the sizes make some complete long before others.
TEST(Messages, MatchInTheOrderInWhichTheyAreStarted) {
  const Communicator comm(MPI_COMM_WORLD, patient());
  constexpr std::size_t kMessages = 60;
  const std::size_t counts[] = {3, 50000, 0, 1025, 1024, 200000, 7};
  std::vector<Guarded> memory;
  std::vector<Request> operations;
  for (std::size_t number = 0; number < kMessages; ++number) {
    const std::size_t count = counts[number % std::size(counts)];
    for (int peer = 0; peer < comm.size(); ++peer) {
      Guarded& data = memory.emplace_back(DType::f32, count);
      data.set(0, content(DType::f32, comm.rank(), peer, number, count));
    }
    for (int peer = 0; peer < comm.size(); ++peer) memory.emplace_back(DType::f32, count);
  }
  const auto at = [&](std::size_t number, int peer, bool received) -> Guarded& {
    const auto size = static_cast<std::size_t>(comm.size());
    return memory[number * 2 * size + (received ? size : 0) + static_cast<std::size_t>(peer)];
  };
  for (std::size_t number = 0; number < kMessages; ++number) {
    for (int peer = 0; peer < comm.size(); ++peer) {
      // Ranks differ in whether they send or receive first, and in which peer comes first.
      const int other = (peer + comm.rank()) % comm.size();
      if (comm.rank() % 2 == 0) operations.push_back(isend(comm, at(number, other, false).buffer(), other));
      operations.push_back(ireceive(comm, at(number, other, true).buffer(), other));
      if (comm.rank() % 2 == 1) operations.push_back(isend(comm, at(number, other, false).buffer(), other));
    }
  }
  std::shuffle(operations.begin(), operations.end(), std::mt19937(static_cast<unsigned>(comm.rank())));
  for (Request& operation : operations) operation.wait();
  for (std::size_t number = 0; number < kMessages; ++number) {
    for (int peer = 0; peer < comm.size(); ++peer) {
      expect_content(at(number, peer, true), DType::f32, peer, comm.rank(), number, counts[number % std::size(counts)]);
    }
  }
}

TEST(Messages, CompleteByTestAlone) {
  const Communicator comm(MPI_COMM_WORLD, patient());
  const int next = (comm.rank() + 1) % comm.size();
  const int last = (comm.rank() + comm.size() - 1) % comm.size();
  Sent sent(DType::f64, comm.rank(), next, 0, 90001);
  Guarded received(DType::f64, 90001);
  int source = -7;
  Request receiving = ireceive(comm, received.buffer(), kAnySource, &source);
  Request sending = isend(comm, sent.memory.buffer(), next);
  for (bool done = false; !done;) {
    done = sending.test();
    done = receiving.test() && done;
  }
  EXPECT_EQ(source, last);
  expect_content(received, DType::f64, last, comm.rank(), 0, 90001);
}

/// Who waits for one operation drives all: rank 0 waits for its collective only.
TEST(Messages, AdvanceWhileACollectiveIsWaitedFor) {
  const Communicator comm(MPI_COMM_WORLD, patient());
  if (comm.size() == 1) GTEST_SKIP() << "needs a peer";
  const std::size_t count = 100000;
  Guarded received(DType::i32, count);
  if (comm.rank() == 0) {
    Request receiving = ireceive(comm, received.buffer(), kAnySource);
    barrier(comm);  // rank 1 calls it once rank 0 has taken the message
    EXPECT_TRUE(receiving.test());
    expect_content(received, DType::i32, 1, 0, 4, count);
  } else {
    if (comm.rank() == 1) {
      Sent sent(DType::i32, 1, 0, 4, count);
      send(comm, sent.memory.buffer(), 0);
    }
    barrier(comm);
  }
}

TEST(AnySource, TakesEveryMessageOnceAndThoseOfARankInOrder) {
  const Communicator comm(MPI_COMM_WORLD, patient());
  constexpr std::size_t kEach = 25;
  for (const std::size_t count : {std::size_t{5}, std::size_t{3000}}) {
    const auto ranks = static_cast<std::size_t>(comm.size());
    std::vector<Sent> sent;
    std::vector<Request> sending;
    for (std::size_t number = 0; number < kEach; ++number) sent.emplace_back(DType::i64, comm.rank(), 0, number, count);
    sending.reserve(sent.size());
    for (Sent& message : sent) sending.push_back(isend(comm, message.memory.buffer(), 0));
    if (comm.rank() == 0) {
      // Half of them are under way at once, the others come one by one.
      const std::size_t all = kEach * ranks;
      std::vector<Guarded> received;
      std::vector<int> sources(all, -7);
      std::vector<Request> receiving;
      for (std::size_t i = 0; i < all; ++i) received.emplace_back(DType::i64, count);
      for (std::size_t i = 0; i < all / 2; ++i) {
        receiving.push_back(ireceive(comm, received[i].buffer(), kAnySource, &sources[i]));
      }
      std::reverse(receiving.begin(), receiving.end());
      for (Request& operation : receiving) operation.wait();
      for (std::size_t i = all / 2; i < all; ++i) sources[i] = receive(comm, received[i].buffer(), kAnySource);
      std::vector<std::size_t> next(ranks);
      for (std::size_t i = 0; i < all; ++i) {
        ASSERT_GE(sources[i], 0);
        ASSERT_LT(sources[i], comm.size());
        expect_content(received[i], DType::i64, sources[i], 0, next[static_cast<std::size_t>(sources[i])]++, count);
      }
      EXPECT_EQ(next, std::vector<std::size_t>(ranks, kEach));
    }
    for (Request& operation : sending) operation.wait();
    barrier(comm);
  }
}

/// A receive of rank 1 gets rank 1's message, though one of any source was started before and nothing else is there.
TEST(AnySource, LeavesWhatAReceiveOfItsOwnSourceAwaits) {
  const Communicator comm(MPI_COMM_WORLD, patient());
  if (comm.size() == 1) GTEST_SKIP() << "needs a peer";
  const int last = comm.size() - 1;
  for (const std::size_t count : {std::size_t{2}, std::size_t{9999}}) {
    if (comm.rank() == 0) {
      Guarded any(DType::u16, count);
      Guarded first(DType::u16, count);
      Guarded second(DType::u16, count);
      int source = -7;
      Request of_any = ireceive(comm, any.buffer(), kAnySource, &source);
      Request of_last = ireceive(comm, first.buffer(), last);
      Request then = ireceive(comm, second.buffer(), last);
      barrier(comm);
      then.wait();
      EXPECT_FALSE(of_any.test());
      EXPECT_TRUE(of_last.test());
      expect_content(first, DType::u16, last, 0, 0, count);
      expect_content(second, DType::u16, last, 0, 1, count);
      barrier(comm);
      of_any.wait();
      EXPECT_EQ(source, last);
      expect_content(any, DType::u16, last, 0, 2, count);
    } else {
      barrier(comm);
      for (std::size_t number = 0; comm.rank() == last && number < 2; ++number) {
        Sent sent(DType::u16, last, 0, number, count);
        send(comm, sent.memory.buffer(), 0);
      }
      barrier(comm);
      if (comm.rank() == last) {
        Sent sent(DType::u16, last, 0, 2, count);
        send(comm, sent.memory.buffer(), 0);
      }
    }
  }
}

}  // namespace
}  // namespace tutti
