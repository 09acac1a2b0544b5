// The transport over UCX by itself: order, senders, what is too long, sleeping.
#include <gtest/gtest.h>
#include <mpi.h>

#include <chrono>
#include <numeric>
#include <span>
#include <string>
#include <thread>
#include <vector>

#include <tests/support/ranks/errors.hpp>
#include <tutti/collectives/transport/ucx_transport.hpp>

namespace tutti::detail {
namespace {

using namespace std::chrono_literals;

/// Ranks send to the next one and receive from the one before. Constructed and destroyed by all ranks together.
class Ucx : public testing::Test {
 protected:
  ~Ucx() override { MPI_Barrier(MPI_COMM_WORLD); }

  static int size() {
    int size = 0;
    MPI_Comm_size(MPI_COMM_WORLD, &size);
    return size;
  }
  static int rank() {
    int rank = 0;
    MPI_Comm_rank(MPI_COMM_WORLD, &rank);
    return rank;
  }
  static int next() { return (rank() + 1) % size(); }
  static int before() { return (rank() + size() - 1) % size(); }

  /// Drives until nothing is pending, for at most 20 s.
  void complete(const Pending& pending) {
    const auto limit = Clock::now() + 20s;
    while (pending.messages > 0) {
      transport_.progress();
      ASSERT_LT(Clock::now(), limit) << "rank " << rank();
    }
  }

  /// One message to the next rank: connections are made by the first.
  void connect() {
    Pending pending;
    std::vector<int> in(1, -1);
    const std::vector<int> out = {rank()};
    receive(1, in, pending);
    send(1, out, pending);
    complete(pending);
    MPI_Barrier(MPI_COMM_WORLD);
  }

  void send(int tag, const std::vector<int>& values, Pending& pending) {
    transport_.send(next(), tag, std::as_bytes(std::span(values)), pending);
  }
  void receive(int tag, std::vector<int>& values, Pending& pending) {
    transport_.receive(before(), tag, std::as_writable_bytes(std::span(values)), pending);
  }

  UcxTransport transport_{MPI_COMM_WORLD};
};

TEST_F(Ucx, KeepsTheOrderOfEveryTag) {
  const std::vector<std::size_t> counts = {1, 100, 0, 5000, 300000, 2, 70000, 3};
  Pending sent;
  Pending received;
  std::vector<std::vector<int>> out;
  for (const int tag : {3, 32767}) {
    for (const std::size_t count : counts) {
      out.emplace_back(count);
      std::iota(out.back().begin(), out.back().end(), 1000 * tag + 7 * rank());
    }
  }
  std::vector<std::vector<int>> in;
  in.reserve(2 * counts.size());
  for (const std::size_t count : counts) in.emplace_back(count);
  for (const std::size_t count : counts) in.emplace_back(count);
  for (std::size_t i = 0; i < out.size(); ++i) send(i < counts.size() ? 3 : 32767, out[i], sent);
  for (std::size_t i = in.size(); i-- > 0;) {  // tags the other way round, messages of a tag in order
    const std::size_t j = (in.size() - 1 - i + counts.size()) % in.size();
    receive(j < counts.size() ? 3 : 32767, in[j], received);
  }
  complete(sent);
  complete(received);
  for (std::size_t i = 0; i < in.size(); ++i) {
    std::vector<int> expected(in[i].size());
    std::iota(expected.begin(), expected.end(), 1000 * (i < counts.size() ? 3 : 32767) + 7 * before());
    EXPECT_TRUE(in[i] == expected) << "message " << i;
  }
  EXPECT_TRUE(transport_.underway().empty());
}

TEST_F(Ucx, ProbesWithoutTaking) {
  Pending pending;
  EXPECT_EQ(transport_.probe(5), std::nullopt);
  MPI_Barrier(MPI_COMM_WORLD);
  const std::vector<int> out = {rank()};
  send(5, out, pending);
  const auto limit = Clock::now() + 20s;
  std::optional<int> sender;
  while (!sender && Clock::now() < limit) sender = transport_.probe(5);
  ASSERT_EQ(sender, before());
  EXPECT_EQ(transport_.probe(5), before());
  EXPECT_EQ(transport_.probe(6), std::nullopt);
  std::vector<int> in(1, -1);
  receive(5, in, pending);
  complete(pending);
  EXPECT_EQ(in.front(), before());
  EXPECT_EQ(transport_.probe(5), std::nullopt);
}

TEST_F(Ucx, SaysWhoseMessageIsTooLong) {
  connect();
  Pending sent;
  Pending received;
  const std::vector<int> out(100, 1);
  std::vector<int> in(50, 0);
  send(9, out, sent);
  complete(sent);  // or nobody would drive it after the failure
  receive(9, in, received);
  const test::Result result = test::attempt([&] { complete(received); });
  EXPECT_EQ(result.outcome, test::Outcome::communication);
  EXPECT_TRUE(test::contains(result.message, "message from rank " + std::to_string(before())));
  EXPECT_TRUE(test::contains(result.message, "truncated"));
}

TEST_F(Ucx, SleepsUntilAMessageComesAndNoLongerThanItMay) {
  connect();
  auto begin = Clock::now();
  for (int i = 0; i < 20; ++i) transport_.sleep(1ms);
  EXPECT_LT(Clock::now() - begin, 5s);

  Pending pending;
  std::vector<int> in(1, -1);
  const std::vector<int> out = {rank()};
  receive(2, in, pending);
  MPI_Barrier(MPI_COMM_WORLD);
  begin = Clock::now();
  if (rank() == 0) {
    std::this_thread::sleep_for(300ms);
    send(2, out, pending);
  }
  while (pending.messages > 0 && Clock::now() - begin < 20s) {
    transport_.progress();
    if (pending.messages > 0) transport_.sleep(30s);
  }
  EXPECT_LT(Clock::now() - begin, 15s) << "slept through it";
  if (rank() != 0) send(2, out, pending);  // around the ring
  complete(pending);
  EXPECT_EQ(in.front(), before());
}

}  // namespace
}  // namespace tutti::detail
