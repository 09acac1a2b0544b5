// What `tutti perf` expects of every collective, on all ranks of a collective that is acted out here: as its definition
// says, element by element, without MPI and without tutti.
#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <numeric>
#include <vector>

#include "tools/perf/collective.hpp"

namespace tutti::tools {
namespace {

TEST(Blocks, EvenOnesFollowEachOther) {
  const auto blocks = even_blocks(5, 3);
  EXPECT_EQ(blocks.counts, (std::vector<std::size_t>{5, 5, 5}));
  EXPECT_EQ(blocks.starts, (std::vector<std::size_t>{0, 5, 10}));
  EXPECT_EQ(blocks.mpi_starts, (std::vector<int>{0, 5, 10}));
  EXPECT_EQ(blocks.total, 15U);
}

TEST(Blocks, UnevenOnesRiseFromHalfToOneAndAHalf) {
  EXPECT_EQ(uneven_blocks(100, 5).counts, (std::vector<std::size_t>{50, 75, 100, 125, 150}));
  EXPECT_EQ(uneven_blocks(100, 5).starts, (std::vector<std::size_t>{0, 50, 125, 225, 350}));
  EXPECT_EQ(uneven_blocks(100, 5).smallest(), 50U);
  EXPECT_EQ(uneven_blocks(100, 5, 3).counts, (std::vector<std::size_t>{100, 125, 150, 50, 75}));
  EXPECT_EQ(uneven_blocks(1, 3).counts, (std::vector<std::size_t>{0, 1, 1}));  // rounded down
  EXPECT_EQ(uneven_blocks(7, 1).counts, (std::vector<std::size_t>{7}));
}

TEST(Blocks, BeyondIntAreNotForMpi) {
  const std::size_t huge = std::size_t{3} << 30;
  EXPECT_TRUE(even_blocks(huge, 2).mpi_counts.empty());
  EXPECT_EQ(uneven_blocks(huge, 2).counts, (std::vector<std::size_t>{huge / 2, huge / 2 * 3}));
}

TEST(Blocks, WhatOneGivesTheOtherGets) {
  for (const int ranks : {1, 2, 3, 7}) {
    for (int to = 0; to < ranks; ++to) {
      const auto got = uneven_blocks_for(11, ranks, to);
      EXPECT_EQ(got.total, uneven_blocks(11, ranks).total);
      for (int from = 0; from < ranks; ++from)
        EXPECT_EQ(got.counts[static_cast<std::size_t>(from)],
                  uneven_blocks(11, ranks, from).counts[static_cast<std::size_t>(to)]);
    }
  }
}

constexpr int kIteration = 4;
constexpr std::size_t kCallCount = 300;  // more than the pattern's period

/// All ranks of one collective, and their memory.
class World {
 public:
  World(const MeasuredCollective& collective, int ranks, int root, bool in_place)
      : collective_(collective),
        pattern_(collective.reduces ? Pattern::for_reduction(DType::f32, ReduceOp::sum, ranks)
                                    : Pattern::for_movement(DType::f32, ranks)) {
    for (int rank = 0; rank < ranks; ++rank) {
      calls_.push_back({.rank = rank, .ranks = ranks, .root = root, .in_place = in_place});
      set_count(collective, calls_.back(), kCallCount, DType::f32);
      memory_.emplace_back(memory_bytes(calls_.back()));
      place_buffers(collective, calls_.back(), memory_.back().data());
      prepare(collective, calls_.back(), pattern_, kIteration);
      const auto* input = static_cast<const float*>(calls_.back().input.data);
      inputs_.emplace_back(input, input + calls_.back().input.count);
    }
  }

  int ranks() const { return static_cast<int>(calls_.size()); }
  const Call& call(int rank) const { return calls_[static_cast<std::size_t>(rank)]; }
  float* output(int rank) const { return static_cast<float*>(call(rank).output.data); }

  std::size_t wrong(int rank) const { return collective_.count_wrong(call(rank), pattern_, kIteration); }

  /// The inputs as they were, though a result in place has overwritten them.
  const std::vector<float>& input(int rank) const { return inputs_[static_cast<std::size_t>(rank)]; }
  std::vector<float> sum() const {
    std::vector<float> all(input(0).size(), 0.0F);
    for (const auto& one : inputs_) std::transform(all.begin(), all.end(), one.begin(), all.begin(), std::plus<>());
    return all;
  }

 private:
  const MeasuredCollective& collective_;
  Pattern pattern_;
  std::vector<Call> calls_;
  std::vector<std::vector<std::byte>> memory_;
  std::vector<std::vector<float>> inputs_;
};

/// What rank `rank` has in its output afterwards; empty where that is nothing.
std::vector<float> expected(const World& world, const std::string& kind, int rank) {
  const Call& call = world.call(rank);
  const int root = call.root;
  const auto me = static_cast<std::size_t>(rank);
  const auto block_of = [&](const std::vector<float>& all) {
    const auto begin = all.begin() + static_cast<std::ptrdiff_t>(call.input_blocks.starts[me]);
    return std::vector<float>(begin, begin + static_cast<std::ptrdiff_t>(call.input_blocks.counts[me]));
  };
  std::vector<float> all;
  if (kind == "allreduce" || (kind == "reduce" && rank == root)) return world.sum();
  if (kind == "broadcast") return world.input(root);
  if (kind == "reduce_scatter") return block_of(world.sum());
  if (kind == "scatter") return block_of(world.input(root));
  for (int from = 0; from < world.ranks(); ++from) {
    const auto& given = world.input(from);
    if (kind == "all_gather" || (kind == "gather" && rank == root)) all.insert(all.end(), given.begin(), given.end());
    if (kind == "all_to_all") {
      const auto& theirs = world.call(from).input_blocks;
      const auto begin = given.begin() + static_cast<std::ptrdiff_t>(theirs.starts[me]);
      all.insert(all.end(), begin, begin + static_cast<std::ptrdiff_t>(theirs.counts[me]));
    }
  }
  return all;
}

std::string kind_of(const MeasuredCollective& collective) {
  const std::string name(collective.name);
  return collective.uneven ? name.substr(0, name.size() - 2) : name;
}

/// Right results pass, and every element that is made wrong is counted, wherever it lies.
void expect_exact_check(const MeasuredCollective& collective, int ranks, bool in_place) {
  const World world(collective, ranks, ranks / 2, in_place);
  std::vector<std::vector<float>> results;
  results.reserve(static_cast<std::size_t>(ranks));
  for (int rank = 0; rank < ranks; ++rank) results.push_back(expected(world, kind_of(collective), rank));
  for (int rank = 0; rank < ranks; ++rank) {
    const auto& result = results[static_cast<std::size_t>(rank)];
    if (result.empty()) {
      EXPECT_EQ(world.wrong(rank), 0U) << "rank " << rank << " has nothing that could be wrong";
      continue;
    }
    ASSERT_EQ(result.size(), world.call(rank).output.count);
    if (!in_place || rank != world.call(rank).root) {  // a root may have it from the start
      EXPECT_GT(world.wrong(rank), 0U) << "before it was done, rank " << rank;
    }
    std::copy(result.begin(), result.end(), world.output(rank));
    EXPECT_EQ(world.wrong(rank), 0U) << "rank " << rank;
    for (const std::size_t at : {std::size_t{0}, result.size() / 2, result.size() - 1}) {
      world.output(rank)[at] += 1;
      EXPECT_EQ(world.wrong(rank), 1U) << "rank " << rank << ", element " << at;
      world.output(rank)[at] -= 1;
    }
  }
}

TEST(MeasuredCollectives, AreCheckedExactlyOutOfPlaceAndInPlace) {
  for (const auto& collective : all_collectives()) {
    for (const int ranks : {1, 2, 3, 5}) {
      for (const bool in_place : {false, true}) {
        if (!collective.moves_data() || (in_place ? !collective.in_place_possible : !collective.out_of_place_possible))
          continue;
        SCOPED_TRACE(std::string(collective.name) + (in_place ? " in place, " : ", ") + std::to_string(ranks));
        expect_exact_check(collective, ranks, in_place);
      }
    }
  }
}

TEST(MeasuredCollectives, GarbageBetweenCallsIsSeenInEveryElement) {
  for (const auto& collective : all_collectives()) {
    if (!collective.out_of_place_possible || !collective.moves_data()) continue;
    const World world(collective, 3, 0, false);
    EXPECT_EQ(world.wrong(0), world.call(0).output.count) << collective.name;
  }
}

Call call_of(const char* name, std::size_t count, int ranks, int root = 0) {
  Call call{.rank = 1, .ranks = ranks, .root = root};
  set_count(collective_from_name(name), call, count, DType::f32);
  return call;
}

TEST(MeasuredCollectives, SizesFollowTheLargestBuffer) {
  const auto& gather = collective_from_name("all_gather");
  const std::size_t count = count_for(gather, 1 << 20, DType::f32, 3);
  EXPECT_EQ(count, std::size_t{1 << 20} / 12);
  EXPECT_EQ(row_bytes(gather, call_of("all_gather", count, 3)), count * 12);
  EXPECT_EQ(count_for(gather, 8, DType::f64, 4), 1U);
  EXPECT_EQ(count_for(collective_from_name("allreduce"), 1 << 20, DType::f32, 3), std::size_t{1 << 18});
  EXPECT_EQ(row_bytes(collective_from_name("all_to_all_v"), call_of("all_to_all_v", 101, 3)), 4U * (50 + 101 + 151));
  EXPECT_EQ(row_bytes(collective_from_name("barrier"), call_of("barrier", 0, 3)), 0U);
}

TEST(MeasuredCollectives, BusFactorsAreTheLeastTrafficOfTheBusiestLink) {
  const auto factor = [](const char* name, int root = 0) {
    return bus_factor(collective_from_name(name), call_of(name, 100, 5, root));
  };
  EXPECT_DOUBLE_EQ(factor("allreduce"), 1.6);
  for (const char* name : {"broadcast", "reduce"}) EXPECT_DOUBLE_EQ(factor(name), 1.0);
  for (const char* name : {"all_gather", "reduce_scatter", "gather", "scatter", "all_to_all"})
    EXPECT_DOUBLE_EQ(factor(name), 0.8) << name;
  // Of 500 elements the smallest block has 50, and that of root 4 has 150.
  for (const char* name : {"all_gather_v", "reduce_scatter_v", "all_to_all_v"})
    EXPECT_DOUBLE_EQ(factor(name), 0.9) << name;
  for (const char* name : {"gather_v", "scatter_v"}) EXPECT_DOUBLE_EQ(factor(name, 4), 0.7) << name;
  EXPECT_DOUBLE_EQ(factor("barrier"), 0.0);
}

TEST(MeasuredCollectives, MpiIsOnlyAskedForWhatItHas) {
  const auto can = [](const char* name, std::size_t count, DType dtype, ReduceOp op) {
    Call call{.rank = 0, .ranks = 4, .op = op};
    set_count(collective_from_name(name), call, count, dtype);
    return mpi_can(collective_from_name(name), call);
  };
  EXPECT_TRUE(can("allreduce", 1000, DType::f32, ReduceOp::sum));
  EXPECT_FALSE(can("allreduce", 1000, DType::f32, ReduceOp::avg));
  EXPECT_FALSE(can("allreduce", 1000, DType::bf16, ReduceOp::sum));
  EXPECT_TRUE(can("all_gather", 1000, DType::bf16, ReduceOp::sum));
  EXPECT_FALSE(can("all_gather_v", std::size_t{1} << 30, DType::u8, ReduceOp::sum));
}

}  // namespace
}  // namespace tutti::tools
