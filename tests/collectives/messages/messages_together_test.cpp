// Messages between two ranks that are under way together: in groups, to oneself, beside collectives, on parts of a
// communicator, and patterns drawn at random.
#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <string>
#include <vector>

#include <tests/support/ranks/grid.hpp>
#include <tests/support/ranks/messages.hpp>
#include <tutti/allreduce/tutti.hpp>
#include <tutti/kernels/text.hpp>

namespace tutti {
namespace {

using test::content;
using test::expect_content;
using test::Guarded;
using test::patient;
using test::Sent;

TEST(Groups, ShiftAroundTheRing) {
  const Communicator comm(MPI_COMM_WORLD, patient());
  const int next = (comm.rank() + 1) % comm.size();
  const int last = (comm.rank() + comm.size() - 1) % comm.size();
  for (const std::size_t count : {std::size_t{0}, std::size_t{10}, std::size_t{4096}, std::size_t{400000}}) {
    Sent sent(DType::i8, comm.rank(), next, 1, count);
    Guarded received(DType::i8, count);
    MessageGroup group(comm);
    group.send(sent.memory.buffer(), next);
    group.receive(received.buffer(), last);
    Request operation = group.start();
    operation.wait();
    EXPECT_TRUE(operation.test());
    expect_content(received, DType::i8, last, comm.rank(), 1, count);
  }
}

TEST(Groups, ExchangeAmongAll) {
  const Communicator comm(MPI_COMM_WORLD, patient());
  MessageGroup group(comm);  // filled anew each time
  for (const std::size_t unit : {std::size_t{1}, std::size_t{300}, std::size_t{20000}}) {
    const auto count = [&](int from, int to) { return unit * static_cast<std::size_t>(1 + 2 * from + 3 * to); };
    std::vector<Guarded> sent;
    std::vector<Guarded> received;
    std::vector<int> sources(static_cast<std::size_t>(comm.size()), -7);
    for (int peer = 0; peer < comm.size(); ++peer) {
      const std::size_t out = count(comm.rank(), peer);
      sent.emplace_back(DType::u32, out).set(0, content(DType::u32, comm.rank(), peer, unit, out));
      received.emplace_back(DType::u32, count(peer, comm.rank()));
    }
    for (int peer = 0; peer < comm.size(); ++peer) {
      const auto at = static_cast<std::size_t>(peer);
      group.send(sent[at].buffer(), peer);
      group.receive(received[at].buffer(), peer, &sources[at]);
    }
    group.start().wait();
    for (int peer = 0; peer < comm.size(); ++peer) {
      const auto at = static_cast<std::size_t>(peer);
      EXPECT_EQ(sources[at], peer);
      expect_content(received[at], DType::u32, peer, comm.rank(), unit, count(peer, comm.rank()));
    }
  }
}

TEST(Groups, WithoutMessagesAreComplete) {
  const Communicator comm(MPI_COMM_WORLD, patient());
  MessageGroup group(comm);
  EXPECT_TRUE(group.start().test());
  group.start().wait();
}

TEST(Oneself, SendsAndReceivesInAnyOrder) {
  const Communicator comm(MPI_COMM_WORLD, patient());
  const int self = comm.rank();
  for (const std::size_t count : {std::size_t{0}, std::size_t{6}, std::size_t{50000}}) {
    for (const bool receive_first : {false, true}) {
      for (const int from : {self, kAnySource}) {
        Sent one(DType::bf16, self, self, 1, count);
        Sent two(DType::bf16, self, self, 2, count);
        Guarded first(DType::bf16, count);
        Guarded second(DType::bf16, count);
        int source = -7;
        std::vector<Request> operations;
        if (receive_first) operations.push_back(ireceive(comm, first.buffer(), from, &source));
        send(comm, one.memory.buffer(), self);  // complete without its receive
        operations.push_back(isend(comm, two.memory.buffer(), self));
        EXPECT_TRUE(operations.back().test());
        if (!receive_first) operations.push_back(ireceive(comm, first.buffer(), from, &source));
        one.memory.set(0, content(DType::bf16, self, self, 3, count));  // the buffer is the program's again
        EXPECT_EQ(receive(comm, second.buffer(), from), self);
        for (Request& operation : operations) operation.wait();
        EXPECT_EQ(source, self);
        expect_content(first, DType::bf16, self, self, 1, count);
        expect_content(second, DType::bf16, self, self, 2, count);
      }
    }
  }
}

TEST(Mixed, MessagesAndCollectivesUnderWayTogether) {
  const Communicator comm(MPI_COMM_WORLD, patient());
  const int next = (comm.rank() + 1) % comm.size();
  const int last = (comm.rank() + comm.size() - 1) % comm.size();
  for (const std::size_t count : {std::size_t{5}, std::size_t{2000}, std::size_t{150000}}) {
    std::vector<int> sum(count, comm.rank() + 1);
    std::vector<int> more(count, 2);
    Sent sent(DType::f16, comm.rank(), next, 0, count);
    Sent later(DType::f16, comm.rank(), next, 1, count);
    Guarded received(DType::f16, count);
    Guarded received_later(DType::f16, count);
    std::vector<Request> operations;
    const auto messages = [&] {
      operations.push_back(isend(comm, sent.memory.buffer(), next));
      operations.push_back(isend(comm, later.memory.buffer(), next));
      operations.push_back(ireceive(comm, received.buffer(), last));
      operations.push_back(ireceive(comm, received_later.buffer(), kAnySource));
    };
    // Messages have no place among the collectives.
    if (comm.rank() % 3 == 0) messages();
    operations.push_back(iallreduce(comm, std::span(sum), ReduceOp::sum));
    if (comm.rank() % 3 == 1) messages();
    operations.push_back(iallreduce(comm, std::span(more), ReduceOp::prod));
    if (comm.rank() % 3 == 2) messages();
    std::rotate(operations.begin(), operations.begin() + comm.rank() % 6, operations.end());
    for (Request& operation : operations) operation.wait();
    EXPECT_EQ(sum, std::vector<int>(count, comm.size() * (comm.size() + 1) / 2));
    EXPECT_EQ(more, std::vector<int>(count, 1 << comm.size()));
    expect_content(received, DType::f16, last, comm.rank(), 0, count);
    expect_content(received_later, DType::f16, last, comm.rank(), 1, count);
    barrier(comm);  // or a receive from any rank takes what the next turn sends
  }
}

TEST(Mixed, PartsOfACommunicatorKeepTheirMessagesApart) {
  const Communicator world(MPI_COMM_WORLD, patient());
  const auto part = world.split(world.rank() % 2, -world.rank());  // ranks in reverse
  ASSERT_TRUE(part);
  const auto shift = [](const Communicator& comm, MessageGroup& group, Guarded& out, Guarded& in) {
    group.send(out.buffer(), (comm.rank() + 1) % comm.size());
    group.receive(in.buffer(), (comm.rank() + comm.size() - 1) % comm.size());
  };
  Guarded outer(DType::u64, 700);
  Guarded inner(DType::u64, 700);
  outer.set(0, content(DType::u64, world.rank(), 0, 0, 700));
  inner.set(0, content(DType::u64, part->rank(), 8 + world.rank() % 2, 0, 700));
  Guarded from_outer(DType::u64, 700);
  Guarded from_inner(DType::u64, 700);
  MessageGroup of_world(world);
  MessageGroup of_part(*part);
  shift(world, of_world, outer, from_outer);
  shift(*part, of_part, inner, from_inner);
  std::vector<Request> operations;
  operations.push_back(world.rank() < 2 ? of_world.start() : of_part.start());
  operations.push_back(world.rank() < 2 ? of_part.start() : of_world.start());
  // Waiting on one communicator does not drive the other.
  while (!std::all_of(operations.begin(), operations.end(), [](Request& o) { return o.test(); })) {
  }
  expect_content(from_outer, DType::u64, (world.rank() + world.size() - 1) % world.size(), 0, 0, 700);
  expect_content(from_inner, DType::u64, (part->rank() + part->size() - 1) % part->size(), 8 + world.rank() % 2, 0,
                 700);
}

/// Every rank draws the same pattern: rounds of messages between random pairs, of random size and type, started in
/// random order as single messages or groups; some receives do not name their source.
class RandomPattern : public testing::TestWithParam<unsigned> {};

TEST_P(RandomPattern, Arrives) {
  const Communicator comm(MPI_COMM_WORLD, patient());
  std::mt19937 shared(GetParam());
  SCOPED_TRACE(text("seed ", GetParam()));
  struct Planned {
    int from;
    int to;
    DType dtype;
    std::size_t count;
  };
  for (int turn = 0; turn < 12; ++turn) {
    const bool any_source = turn % 3 == 2;  // then all messages of the turn are alike
    const std::size_t sizes[] = {0, 1, 100, 1024, 1025, 5000, 60000};
    std::vector<Planned> plan(shared() % 40);
    Planned like{0, 0, kAllDTypes[shared() % std::size(kAllDTypes)], sizes[shared() % std::size(sizes)]};
    for (Planned& message : plan) {
      if (!any_source) like.dtype = kAllDTypes[shared() % std::size(kAllDTypes)];
      if (!any_source) like.count = sizes[shared() % std::size(sizes)];
      message = like;
      message.from = static_cast<int>(shared() % static_cast<unsigned>(comm.size()));
      message.to = static_cast<int>(shared() % static_cast<unsigned>(comm.size()));
    }
    std::mt19937 own(GetParam() * 100 + static_cast<unsigned>(comm.rank()));
    std::vector<Guarded> sent;
    std::vector<Guarded> received;
    std::vector<int> sources(plan.size(), -7);
    for (std::size_t i = 0; i < plan.size(); ++i) {
      const auto& [from, to, dtype, count] = plan[i];
      sent.emplace_back(dtype, count).set(0, content(dtype, from, to, i, count));
      received.emplace_back(dtype, count);
    }
    std::vector<Request> operations;
    MessageGroup group(comm);
    for (std::size_t i = 0; i < plan.size(); ++i) {
      const bool grouped = turn % 2 == 1;  // all or none, or single messages would overtake
      if (plan[i].to == comm.rank()) {
        const int from = any_source ? kAnySource : plan[i].from;
        if (grouped) {
          group.receive(received[i].buffer(), from, &sources[i]);
        } else {
          operations.push_back(ireceive(comm, received[i].buffer(), from, &sources[i]));
        }
      }
      if (plan[i].from == comm.rank()) {
        if (grouped) {
          group.send(sent[i].buffer(), plan[i].to);
        } else {
          operations.push_back(isend(comm, sent[i].buffer(), plan[i].to));
        }
      }
      if (grouped && own() % 4 == 0) operations.push_back(group.start());
    }
    operations.push_back(group.start());
    std::shuffle(operations.begin(), operations.end(), own);
    for (Request& operation : operations) operation.wait();
    std::vector<std::vector<std::size_t>> of_source(static_cast<std::size_t>(comm.size()));
    for (std::size_t i = 0; i < plan.size(); ++i) {
      if (plan[i].to == comm.rank()) of_source[static_cast<std::size_t>(plan[i].from)].push_back(i);
    }
    std::vector<std::size_t> taken(of_source.size());
    for (std::size_t i = 0; i < plan.size(); ++i) {
      if (plan[i].to != comm.rank()) continue;
      ASSERT_GE(sources[i], 0);
      const auto source = static_cast<std::size_t>(sources[i]);
      ASSERT_LT(taken[source], of_source[source].size()) << "too many from rank " << source;
      const std::size_t message = of_source[source][taken[source]++];
      if (!any_source) {
        EXPECT_EQ(message, i);
      }
      expect_content(received[i], plan[i].dtype, sources[i], comm.rank(), message, plan[i].count);
    }
    barrier(comm);
  }
}

INSTANTIATE_TEST_SUITE_P(Seed, RandomPattern, testing::Range(1U, 13U));

}  // namespace
}  // namespace tutti
