// The memory floor, measured by several ranks.
#include <gtest/gtest.h>
#include <mpi.h>

#include <algorithm>

#include "tools/perf/floor.hpp"

namespace tutti::tools {
namespace {

void expect_alike(double value) {
  double least = 0;
  double most = 0;
  MPI_Allreduce(&value, &least, 1, MPI_DOUBLE, MPI_MIN, MPI_COMM_WORLD);
  MPI_Allreduce(&value, &most, 1, MPI_DOUBLE, MPI_MAX, MPI_COMM_WORLD);
  EXPECT_EQ(least, most);
}

TEST(Floor, IsMeasuredAlikeOnAllRanks) {
  const Communicator comm(MPI_COMM_WORLD);
  const std::size_t caches = cache_bytes_of(last_level_caches(), comm.size());
  const NodeWork work{.moved = 4.0 * static_cast<double>(caches), .reduced = 1};
  const auto floor = measure_floor(comm, work, ReduceOp::sum, DType::f32);
  if (caches == 0) GTEST_SKIP() << "the kernel does not tell of caches";
  ASSERT_TRUE(floor.has_value());
  for (const double rate : {floor->node_gb_s, floor->core_gb_s, floor->reduce_gb_s.value()}) {
    EXPECT_GT(rate, 0.01);  // no machine is so slow,
    EXPECT_LT(rate, 1e4);   // or so fast
    expect_alike(rate);
  }
  EXPECT_GE(floor->core_gb_s, floor->node_gb_s / comm.size());
  EXPECT_EQ(floor->cache_bytes, caches);
  // A rank alone takes at least as long for everything as all together, whatever the machine does meanwhile.
  EXPECT_GE(floor_time(*floor, 1, work).value(), floor_time(*floor, comm.size(), work).value());
}

TEST(Floor, IsNotMeasuredWhereNobodyAsks) {
  const Communicator comm(MPI_COMM_WORLD);
  const double caches = static_cast<double>(cache_bytes_of(last_level_caches(), comm.size()));
  EXPECT_FALSE(measure_floor(comm, {.moved = 3.9 * caches}, ReduceOp::sum, DType::f32).has_value());
  EXPECT_EQ(floor_memory(comm, {.moved = 3.9 * caches}), 0U);
  const Communicator alone(MPI_COMM_SELF);
  EXPECT_FALSE(measure_floor(alone, {.moved = 1e15}, ReduceOp::sum, DType::f32).has_value());
  const Communicator far(MPI_COMM_WORLD, {.ranks_per_node = 1});
  EXPECT_FALSE(measure_floor(far, {.moved = 1e15}, ReduceOp::sum, DType::f32).has_value());
}

TEST(Floor, ReducesNothingWhereTheCollectiveDoesNot) {
  const Communicator comm(MPI_COMM_WORLD);
  const auto floor = measure_floor(comm, {.moved = 1e15}, ReduceOp::sum, DType::f32);
  EXPECT_FALSE(floor.has_value() && floor->reduce_gb_s.has_value());
}

}  // namespace
}  // namespace tutti::tools
