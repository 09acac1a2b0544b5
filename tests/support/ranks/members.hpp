// The proof that a communicator works, and among the ranks that it should have.
#pragma once

#include <gtest/gtest.h>
#include <mpi.h>

#include <cstddef>
#include <span>
#include <vector>

#include <tutti/allreduce/allreduce.hpp>
#include <tutti/collectives/collectives.hpp>

namespace tutti::test {

inline int world_rank() {
  int rank = 0;
  MPI_Comm_rank(MPI_COMM_WORLD, &rank);
  return rank;
}
inline int world_size() {
  int size = 0;
  MPI_Comm_size(MPI_COMM_WORLD, &size);
  return size;
}

/// The world ranks of the communicator's ranks, in its order, as its own all_gather tells them.
inline std::vector<int> members(const Communicator& comm) {
  std::vector<int> all(static_cast<std::size_t>(comm.size()), -1);
  const int own = world_rank();
  all_gather(comm, std::span(&own, 1), std::span(all));
  return all;
}

/// Both kinds of message (inline, and on its own) go to the right ranks, and to no others.
inline void expect_works(const Communicator& comm, const std::vector<int>& expected_members) {
  EXPECT_EQ(members(comm), expected_members);
  EXPECT_EQ(static_cast<std::size_t>(comm.size()), expected_members.size());
  EXPECT_EQ(expected_members.at(static_cast<std::size_t>(comm.rank())), world_rank());
  for (const std::size_t count : {std::size_t{3}, std::size_t{5000}}) {
    std::vector<int> data(count, world_rank() + 1);
    allreduce(comm, std::span(data), ReduceOp::sum);
    int sum = 0;
    for (const int member : expected_members) sum += member + 1;
    EXPECT_EQ(data, std::vector<int>(count, sum));
  }
}

/// World ranks `first`, first + step, ....
inline std::vector<int> every(int first, int step) {
  std::vector<int> ranks;
  for (int r = first; r < world_size(); r += step) ranks.push_back(r);
  return ranks;
}

}  // namespace tutti::test
