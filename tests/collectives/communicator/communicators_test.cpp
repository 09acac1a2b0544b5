// Communicators: parts of parts, nodes, copies of handles, memory.
#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <new>
#include <numeric>
#include <optional>
#include <vector>

#include <tests/support/ranks/grid.hpp>
#include <tests/support/ranks/members.hpp>
#include <tutti/allreduce/allreduce.hpp>
#include <tutti/collectives/collectives.hpp>
#include <tutti/collectives/communicator/communicator_state.hpp>

namespace tutti {
namespace {

using test::every;
using test::expect_works;
using test::world_rank;
using test::world_size;

TEST(Split, EvenAndOddWorkSideBySide) {
  const Communicator world(MPI_COMM_WORLD, test::patient());
  const auto part = world.split(world.rank() % 2);
  ASSERT_TRUE(part);
  EXPECT_EQ(part->options().timeout, world.options().timeout);
  expect_works(*part, every(world.rank() % 2, 2));
  if (world.rank() % 2 == 0) expect_works(*part, every(0, 2));  // the others do not take part
  expect_works(world, every(0, 1));
}

TEST(Split, OrdersByKeyThenRank) {
  const Communicator world(MPI_COMM_WORLD, test::patient());
  std::vector<int> reversed = every(0, 1);
  std::reverse(reversed.begin(), reversed.end());
  expect_works(*world.split(7, -world.rank()), reversed);
  expect_works(*world.split(0, 5), every(0, 1));
}

TEST(Split, NegativeColorGetsNone) {
  const Communicator world(MPI_COMM_WORLD, test::patient());
  const auto part = world.split(world.rank() == 0 ? -1 : 3);
  EXPECT_EQ(part.has_value(), world.rank() != 0);
  if (part) expect_works(*part, every(1, 1));
  const auto nobody = world.split(-5);
  EXPECT_FALSE(nobody);
}

TEST(Split, OutlivesItsParentAndAPartOfAPartWorks) {
  std::optional<Communicator> world(std::in_place, MPI_COMM_WORLD, test::patient());
  const auto part = world->split(world->rank() % 2);
  world.reset();
  expect_works(*part, every(world_rank() % 2, 2));
  const auto quarter = part->split(part->rank() % 2);
  expect_works(*quarter, every(world_rank() % 4, 4));
}

TEST(Parent, MayBeAnyPartAndMayBeFreed) {
  MPI_Comm odd_and_even = MPI_COMM_NULL;
  MPI_Comm_split(MPI_COMM_WORLD, world_rank() % 2, -world_rank(), &odd_and_even);
  const Communicator comm(odd_and_even, test::patient());
  MPI_Comm_free(&odd_and_even);
  std::vector<int> expected = every(world_rank() % 2, 2);
  std::reverse(expected.begin(), expected.end());
  expect_works(comm, expected);
  expect_works(Communicator(MPI_COMM_SELF, test::patient()), {world_rank()});
}

TEST(Nodes, ArePretended) {
  for (const int per_node : {1, 2, 3, 100}) {
    CommunicatorOptions options = test::patient();
    options.ranks_per_node = per_node;
    const Communicator world(MPI_COMM_WORLD, options);
    const int rank = world.rank();
    const int node = rank / per_node;
    const Topology place = world.topology();
    EXPECT_EQ(place.node, node);
    EXPECT_EQ(place.nodes, (world.size() + per_node - 1) / per_node);
    EXPECT_EQ(place.local_rank, rank % per_node);
    EXPECT_EQ(place.local_size, std::min(per_node, world.size() - node * per_node));

    std::vector<int> peers(static_cast<std::size_t>(place.local_size));
    std::iota(peers.begin(), peers.end(), node * per_node);
    const Communicator group = world.local_communicator();
    expect_works(group, peers);
    EXPECT_EQ(group.topology().nodes, 1);
    EXPECT_EQ(group.topology().local_size, group.size());

    const Communicator cross = world.cross_communicator();
    expect_works(cross, every(rank % per_node, per_node));
    EXPECT_EQ(cross.topology().nodes, cross.size());
    EXPECT_EQ(cross.topology().local_size, 1);
    EXPECT_EQ(cross.topology().node, cross.rank());
  }
}

TEST(Nodes, AreAskedOfMpi) {
  const Communicator world(MPI_COMM_WORLD, test::patient());
  EXPECT_EQ(world.topology().nodes, 1);  // the tests run on one machine
  EXPECT_EQ(world.topology().local_rank, world.rank());
  EXPECT_EQ(world.topology().local_size, world.size());
  expect_works(world.local_communicator(), every(0, 1));
  expect_works(world.cross_communicator(), {world.rank()});
}

TEST(Handle, CopiesAreTheSameCommunicator) {
  std::optional<Communicator> first(std::in_place, MPI_COMM_WORLD, test::patient());
  const Communicator second = *first;
  Communicator third(MPI_COMM_SELF, test::patient());
  third = *first;
  EXPECT_EQ(second.mpi(), first->mpi());
  std::vector<double> data = {1.0, 2.0};
  Request operation = iallreduce(*first, std::span(data), ReduceOp::sum);
  first.reset();
  expect_works(second, every(0, 1));
  operation.wait();
  EXPECT_EQ(data, (std::vector<double>{1.0 * world_size(), 2.0 * world_size()}));
  expect_works(third, every(0, 1));
}

TEST(Handle, ManyAreMadeAndFreed) {
  for (int i = 0; i < 100; ++i) {
    const Communicator comm(MPI_COMM_WORLD, test::patient());
    int one = 1;
    allreduce(comm, std::span(&one, 1), ReduceOp::sum);
    ASSERT_EQ(one, comm.size());
  }
}

TEST(Handle, MayBeFreedInTwoStepsWithoutWaiting) {
  const Communicator last(MPI_COMM_WORLD, test::patient());
  std::optional<Communicator> comm(std::in_place, MPI_COMM_WORLD, test::patient());
  expect_works(*comm, every(0, 1));
  if (comm->rank() == 0) {
    // The others come only after this rank's next collective: had it waited, it would not get there.
    comm->state().begin_end();
    if (comm->size() > 1) {
      EXPECT_FALSE(comm->state().may_end());
    }
    barrier(last);
  } else {
    barrier(last);
    comm->state().begin_end();
  }
  const auto begin = detail::Clock::now();
  while (!comm->state().may_end()) ASSERT_LT(detail::Clock::now() - begin, std::chrono::seconds(60));
  comm.reset();
  expect_works(last, every(0, 1));
}

TEST(Handle, FreedInTwoStepsEndsWithTheRankThatFails) {
  std::optional<Communicator> comm(std::in_place, MPI_COMM_WORLD, test::patient());
  if (comm->rank() == 0) {
    comm->abandon("of no more use");
  } else {
    comm->state().begin_end();
  }
  const auto begin = detail::Clock::now();
  while (!comm->state().may_end()) ASSERT_LT(detail::Clock::now() - begin, std::chrono::seconds(60));
  EXPECT_EQ(comm->unusable(), comm->rank() == 0 || comm->size() > 1);
}

TEST(Memory, IsAlignedAndZeroed) {
  const Communicator comm(MPI_COMM_SELF);
  for (const std::size_t count : {0, 1, 15, 16, 1000}) {
    const Allocation<float> memory = comm.allocate<float>(count);
    EXPECT_EQ(memory.size(), count);
    EXPECT_EQ(reinterpret_cast<std::uintptr_t>(memory.data()) % 64, 0U);
    for (const float x : memory) ASSERT_EQ(x, 0.0F);
    std::fill(memory.begin(), memory.end(), 1.0F);
  }
}

TEST(Memory, TooMuchIsBadAlloc) {
  const Communicator comm(MPI_COMM_SELF);
  EXPECT_THROW(comm.allocate_bytes(SIZE_MAX), std::bad_alloc);
  EXPECT_THROW(comm.allocate_bytes(SIZE_MAX / 2), std::bad_alloc);
  EXPECT_THROW(comm.allocate<double>(SIZE_MAX / 8 + 2), std::bad_alloc);  // 8 bytes, if multiplied carelessly
}

}  // namespace
}  // namespace tutti
