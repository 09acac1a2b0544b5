// Allreduce on two levels, over pretended nodes of every size: against the naive reference, demanding equal bits.
#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <string>
#include <thread>
#include <vector>

#include <tests/support/ranks/grid.hpp>
#include <tutti/allreduce/allreduce.hpp>
#include <tutti/allreduce/allreduce_table.hpp>
#include <tutti/collectives/communicator/communicator_state.hpp>
#include <tutti/collectives/communicator/hierarchy.hpp>
#include <tutti/collectives/point_to_point.hpp>
#include <tutti/kernels/error.hpp>
#include <tutti/kernels/text.hpp>

namespace tutti {
namespace {

using test::Guarded;

CommunicatorOptions on_nodes_of(int ranks) {
  CommunicatorOptions options = test::patient();
  options.ranks_per_node = ranks;
  return options;
}

int world_size() {
  int size = 0;
  MPI_Comm_size(MPI_COMM_WORLD, &size);
  return size;
}

/// Sizes of nodes that make two levels: with 7 ranks, nodes of 3, 3 and 1 among others.
std::vector<int> node_sizes() {
  std::vector<int> sizes;
  for (int ranks = 2; ranks < world_size(); ++ranks) sizes.push_back(ranks);
  return sizes;
}

struct Case {
  DType dtype = DType::f32;
  ReduceOp op = ReduceOp::sum;
  std::size_t count = 0;
  std::size_t chunk_bytes = 0;
  std::size_t misalignment = 0;
};

std::string run(const Communicator& comm, const Case& c, bool in_place, std::string_view algorithm = "hierarchical") {
  Guarded input(c.dtype, c.count, c.misalignment);
  Guarded output(c.dtype, c.count, c.misalignment);
  const auto own = test::contributions(c.dtype, c.op, comm.rank(), 0, c.count);
  const auto expected = test::reductions(c.dtype, c.op, comm.size(), 0, c.count);
  input.set(0, own);
  const CollectiveOptions options = {.algorithm = algorithm, .segment_bytes = c.chunk_bytes};
  std::string problem;
  if (in_place) {
    allreduce(comm, input.buffer(), c.op, options);
    problem = input.compare("data", 0, expected);
  } else {
    allreduce(comm, input.buffer(), output.buffer(), c.op, options);
    problem = output.compare("output", 0, expected) + input.compare("input", 0, own) + output.compare_guards("output");
  }
  problem += input.compare_guards("input");
  if (problem.empty()) return {};
  return text(name(c.op), " ", name(c.dtype), " x ", c.count, " in chunks of ", c.chunk_bytes, " B, ",
              comm.options().ranks_per_node, " ranks a node, ", in_place ? "in place: " : "out of place: ", problem);
}

TEST(Hierarchical, CountsAndChunks) {
  for (const int ranks : node_sizes()) {
    const Communicator comm(MPI_COMM_WORLD, on_nodes_of(ranks));
    const auto size = static_cast<std::size_t>(comm.size());
    for (const std::size_t count :
         {std::size_t{0}, std::size_t{1}, size - 1, size, size + 1, std::size_t{1037}, std::size_t{70001}}) {
      for (const std::size_t chunk : {0, 1, 40, 4096, 100'000}) {
        if (count > 2000 && chunk != 0 && chunk < 4096) continue;
        for (const bool in_place : {false, true}) {
          EXPECT_EQ(run(comm, {.count = count, .chunk_bytes = chunk}, in_place), "");
        }
      }
    }
  }
}

TEST(Hierarchical, TypesAndOperators) {
  for (const int ranks : node_sizes()) {
    const Communicator comm(MPI_COMM_WORLD, on_nodes_of(ranks));
    for (const DType dtype : kAllDTypes) {
      for (const ReduceOp op : kAllReduceOps) {
        if (!is_supported(op, dtype)) continue;
        EXPECT_EQ(run(comm, {.dtype = dtype, .op = op, .count = 331, .chunk_bytes = 700, .misalignment = 3}, true), "");
      }
    }
  }
}

TEST(Hierarchical, SlicesAreWhatTheSmallestNodeHasRanksFor) {
  for (const int ranks : node_sizes()) {
    const Communicator comm(MPI_COMM_WORLD, on_nodes_of(ranks));
    const detail::Hierarchy* levels = comm.state().hierarchy();
    ASSERT_NE(levels, nullptr);
    const int rest = comm.size() % ranks;
    EXPECT_EQ(levels->prices.slices, rest == 0 ? ranks : rest);
    EXPECT_EQ(levels->node.size(), comm.topology().local_size);
    EXPECT_EQ(levels->node.number(), comm.topology().local_rank);
    EXPECT_EQ(levels->across.has_value(), comm.topology().local_rank < levels->prices.slices);
    if (levels->across) {
      EXPECT_EQ(levels->across->size(), comm.topology().nodes);
      EXPECT_EQ(levels->across->rank_of(levels->across->number()), comm.rank());
    }
  }
}

/// Many small and large ones under way at once, beside those on one level, waited for in another order on every rank.
TEST(Hierarchical, SeveralAreUnderWay) {
  for (const int ranks : node_sizes()) {
    const Communicator comm(MPI_COMM_WORLD, on_nodes_of(ranks));
    std::vector<std::vector<std::int64_t>> data;
    std::vector<Request> started;
    for (std::size_t i = 0; i < 12; ++i) data.emplace_back(i * 997 + 1, comm.rank() + static_cast<int>(i));
    for (std::size_t i = 0; i < data.size(); ++i) {
      started.push_back(iallreduce(comm, std::span(data[i]), ReduceOp::sum,
                                   {.algorithm = i % 3 == 0 ? "ring" : "hierarchical", .segment_bytes = 8000}));
    }
    std::rotate(started.begin(), started.begin() + comm.rank(), started.end());
    for (Request& op : started) op.wait();
    const int size = comm.size();
    for (std::size_t i = 0; i < data.size(); ++i) {
      const std::int64_t sum = size * (size - 1) / 2 + size * static_cast<int>(i);
      EXPECT_TRUE(std::all_of(data[i].begin(), data[i].end(), [&](std::int64_t v) { return v == sum; })) << i;
    }
  }
}

/// Whatever is chosen runs, and every rank makes the same choice: or messages would not meet.
TEST(Hierarchical, IsChosenAlikeOnAllRanks) {
  for (const int ranks : node_sizes()) {
    const Communicator comm(MPI_COMM_WORLD, on_nodes_of(ranks));
    for (const std::size_t count : {1, 1000, 30'000, 1'000'000}) {
      const Plan plan = comm.state().everyone().selector().choose(allreduce_algorithms(), Collective::allreduce,
                                                                  4 * static_cast<std::size_t>(count),
                                                                  {.levels = &comm.state().hierarchy()->prices});
      int faster = plan.algorithm->staged != nullptr ? plan.segments : 0;
      int least = 0;
      int most = 0;
      MPI_Allreduce(&faster, &least, 1, MPI_INT, MPI_MIN, comm.mpi());
      MPI_Allreduce(&faster, &most, 1, MPI_INT, MPI_MAX, comm.mpi());
      EXPECT_EQ(least, most) << count;
      EXPECT_EQ(run(comm, {.count = count}, true, ""), "");
    }
  }
}

/// Ranks that wait long ask each other what they are in, also those they wait for in another operation, and compare the
/// calls. Stages of one number differ rightly between groups, as slices of an odd count do; and they are no part of the
/// history that the next call tells of.
TEST(Hierarchical, LateRanksAreNoMistake) {
  if (world_size() < 4) GTEST_SKIP() << "needs two nodes of two ranks";
  const Communicator comm(MPI_COMM_WORLD, on_nodes_of(2));
  for (int turn = 0; turn < 2; ++turn) {
    int told = 0;
    Request message;
    if (comm.rank() == 0) message = ireceive(comm, Buffer(&told, 1, DType::i32), 1);
    MPI_Barrier(MPI_COMM_WORLD);
    if (comm.rank() >= 2) std::this_thread::sleep_for(std::chrono::milliseconds(600));
    EXPECT_EQ(run(comm, {.count = 999}, true), "");
    if (comm.rank() == 1) {
      int number = 7;
      send(comm, ConstBuffer(&number, 1, DType::i32), 0);
    }
    message.wait();
    EXPECT_EQ(told, comm.rank() == 0 ? 7 : 0);
  }
  barrier(comm);  // where what a question found last shows
}

TEST(Hierarchical, NeedsTwoLevels) {
  for (const int ranks : {1, world_size()}) {
    const Communicator comm(MPI_COMM_WORLD, on_nodes_of(ranks));
    try {
      run(comm, {.count = 10}, true);
      FAIL() << "nothing thrown";
    } catch (const InvalidArgument& error) {
      EXPECT_NE(std::string(error.what()).find("'hierarchical' needs several nodes"), std::string::npos)
          << error.what();
    }
  }
}

TEST(Hierarchical, CallsThatDifferAreErrors) {
  if (node_sizes().empty()) GTEST_SKIP() << "has no two levels";
  const Communicator comm(MPI_COMM_WORLD, on_nodes_of(2));
  std::vector<float> data(comm.rank() == 0 ? 999 : 1000);
  try {
    allreduce(comm, std::span(data), ReduceOp::sum, {.algorithm = "hierarchical"});
    FAIL() << "nothing thrown";
  } catch (const CommunicationError& error) {
    EXPECT_NE(std::string(error.what()).find("differ"), std::string::npos) << error.what();
  }
}

// Five elements in five chunks, and in ten, of which the last five are empty: nothing but the number of chunks tells
// the calls apart, and ranks that took them for one would go on with other numbers of operations.
TEST(Hierarchical, ChunksThatDifferAreErrors) {
  if (world_size() < 4) GTEST_SKIP() << "needs two nodes of two ranks";
  CommunicatorOptions options = on_nodes_of(2);
  options.timeout = std::chrono::seconds(20);
  const Communicator comm(MPI_COMM_WORLD, options);
  static std::vector<float> data(5);  // after a failure MPI may still write it
  const std::size_t chunk_bytes = comm.rank() == comm.size() - 1 ? 2 : 4;
  std::string says;
  try {
    allreduce(comm, data, ReduceOp::sum, {.algorithm = "hierarchical", .segment_bytes = chunk_bytes});
    if (comm.rank() != comm.size() - 1) {
      // Those that meet the last rank's node only by way of others may learn of it in their next call.
      float one = 1;
      allreduce(comm, std::span(&one, 1), ReduceOp::sum, {.algorithm = "hierarchical"});
    }
  } catch (const CommunicationError& error) {
    says = error.what();
  }
  EXPECT_NE(says.find("calls differ"), std::string::npos) << says;
  // Where nodes have as many ranks each it is their reduce_scatter that meets first, else an allreduce between nodes.
  EXPECT_NE(says.find("(sum f32 x 1"), std::string::npos) << says;
}

TEST(Hierarchical, WrongArgumentsAreTheSameAsOnOneLevel) {
  if (node_sizes().empty()) GTEST_SKIP() << "has no two levels";
  const Communicator comm(MPI_COMM_WORLD, on_nodes_of(2));
  std::vector<float> data(10);
  EXPECT_THROW(allreduce(comm, Buffer(nullptr, 10, DType::f32), ReduceOp::sum, {.algorithm = "hierarchical"}),
               InvalidArgument);
  EXPECT_THROW(allreduce(comm, std::span(data), ReduceOp::bit_and, {.algorithm = "hierarchical"}), InvalidArgument);
  EXPECT_EQ(run(comm, {.count = 10}, true), "");
}

}  // namespace
}  // namespace tutti
