// Every algorithm of every table against a naive reference: counts, segments, types, operators, roots, in place and out
// of place, demanding equal bits and that nothing else is written.
#include <gtest/gtest.h>

#include <atomic>

#include <tests/support/ranks/grid.hpp>
#include <tests/support/ranks/trial.hpp>
#include <tutti/allreduce/allreduce.hpp>
#include <tutti/allreduce/allreduce_table.hpp>
#include <tutti/collectives/collectives.hpp>
#include <tutti/collectives/schedule/algorithm_table.hpp>
#include <tutti/collectives/schedule/message_sizes.hpp>
#include <tutti/kernels/error.hpp>

namespace tutti {
namespace {

using test::Case;

class Grid : public testing::TestWithParam<const Algorithm*> {
 protected:
  /// Runs `c` in every form, and on every root if that matters.
  void check(Case c, bool all_roots) {
    const int roots = is_rooted(c.algorithm.collective) && all_roots ? comm_.size() : 1;
    for (int root = 0; root < roots; ++root) {
      for (const bool in_place : {false, true}) {
        if (in_place && !test::has_two_forms(c.algorithm)) continue;
        c.root = all_roots ? root : comm_.size() - 1;
        c.in_place = in_place;
        const std::string problem = test::try_case(comm_, c);
        // The ranks have to stay in step, so failures are counted and not fatal.
        if (!problem.empty() && ++failures_ <= 3) ADD_FAILURE() << test::describe(c) << problem;
      }
    }
  }

  Communicator comm_ = test::world();
  int failures_ = 0;
};

TEST_P(Grid, CountsAndSegments) {
  const Algorithm& algorithm = *GetParam();
  const auto size = static_cast<std::size_t>(comm_.size());
  for (const DType dtype : {DType::f32, DType::i32}) {
    for (const std::size_t count : {std::size_t{0}, std::size_t{1}, size - 1, size, size + 1, std::size_t{1037}}) {
      for (const std::size_t segment : {0, 4, 64, 1021}) {
        check({.algorithm = algorithm, .dtype = dtype, .count = count, .segment_bytes = segment}, true);
      }
    }
    constexpr std::size_t kTogether = detail::kPackedBytes / 4;
    for (const std::size_t count : {kTogether - 1, kTogether, kTogether + 1}) {
      check({.algorithm = algorithm, .dtype = dtype, .count = count}, false);
      check({.algorithm = algorithm, .dtype = dtype, .count = count * size}, false);
    }
    for (const std::size_t segment : {std::size_t{0}, std::size_t{9973}, std::size_t{1} << 16, SIZE_MAX}) {
      check({.algorithm = algorithm, .dtype = dtype, .count = 70001, .segment_bytes = segment}, segment == 9973);
    }
  }
}

TEST_P(Grid, Radices) {
  const Algorithm& algorithm = *GetParam();
  if (algorithm.radix == Radix::none) GTEST_SKIP() << "has no radix";
  const auto size = static_cast<std::size_t>(comm_.size());
  for (int radix = 2; radix <= comm_.size(); ++radix) {
    for (const std::size_t count :
         {std::size_t{0}, std::size_t{1}, size - 1, size + 1, std::size_t{1037}, std::size_t{20011}}) {
      check({.algorithm = algorithm, .count = count, .radix = radix}, true);
      check({.algorithm = algorithm, .dtype = DType::bf16, .count = count, .segment_bytes = 999, .radix = radix},
            false);
    }
  }
}

TEST_P(Grid, TypesAndOperators) {
  const Algorithm& algorithm = *GetParam();
  for (const DType dtype : kAllDTypes) {
    for (const ReduceOp op : kAllReduceOps) {
      if (!is_supported(op, dtype) || (op != ReduceOp::sum && !reduces(algorithm.collective))) continue;
      check({.algorithm = algorithm, .dtype = dtype, .op = op, .count = 97}, false);
      check({.algorithm = algorithm, .dtype = dtype, .op = op, .count = 1031, .segment_bytes = 333}, false);
    }
  }
}

TEST_P(Grid, Misaligned) {
  for (const DType dtype : {DType::f64, DType::f32, DType::bf16, DType::i16}) {
    for (const std::size_t misalignment : {1, 2, 3, 4}) {
      check(
          {.algorithm = *GetParam(), .dtype = dtype, .count = 1037, .segment_bytes = 513, .misalignment = misalignment},
          false);
      check({.algorithm = *GetParam(), .dtype = dtype, .count = 3, .misalignment = misalignment}, false);
    }
  }
}

std::vector<const Algorithm*> all_algorithms() {
  std::vector<const Algorithm*> all;
  for (const Algorithm* a : collective_algorithms()) all.push_back(a);
  for (const Algorithm* a : allreduce_algorithms()) {
    if (a->staged == nullptr) all.push_back(a);
  }
  return all;
}

INSTANTIATE_TEST_SUITE_P(Table, Grid, testing::ValuesIn(all_algorithms()), [](const auto& row) {
  return std::string(name(row.param->collective)) + "_" + std::string(row.param->name);
});

/// What is chosen when no algorithm is named, on both sides of every limit of the choices.
TEST(Choice, RunsWhateverIsChosen) {
  const Communicator comm = test::world();
  constexpr Collective kCollectives[] = {Collective::allreduce,      Collective::broadcast, Collective::all_gather,
                                         Collective::reduce_scatter, Collective::reduce,    Collective::all_to_all,
                                         Collective::gather,         Collective::scatter};
  for (const Collective collective : kCollectives) {
    Algorithm unnamed{};
    unnamed.collective = collective;
    for (const std::size_t bytes : {std::size_t{16} << 10, std::size_t{256} << 10, std::size_t{1} << 20}) {
      for (const std::size_t off : {0, 1}) {
        const std::size_t elements = bytes / sizeof(float) + off;
        const std::size_t ranks = has_bound_blocks(collective) ? static_cast<std::size_t>(comm.size()) : 1;
        const Case c{.algorithm = unnamed, .count = elements / ranks + off};
        EXPECT_EQ(test::try_case(comm, c), "") << test::describe(c);
      }
    }
  }
}

/// A barrier is left only once all have entered: they count their entries in memory that they share.
TEST(Barrier, IsLeftOnlyOnceAllHaveEntered) {
  const Communicator comm(MPI_COMM_WORLD, test::patient());
  void* own = nullptr;
  int* entries = nullptr;
  MPI_Win window = MPI_WIN_NULL;
  ASSERT_EQ(MPI_Win_allocate_shared(comm.rank() == 0 ? sizeof(int) : 0, sizeof(int), MPI_INFO_NULL, MPI_COMM_WORLD,
                                    static_cast<void*>(&own), &window),
            MPI_SUCCESS);
  MPI_Aint bytes = 0;
  int unit = 0;
  MPI_Win_shared_query(window, 0, &bytes, &unit, static_cast<void*>(&entries));
  std::atomic_ref<int> counter(*entries);
  if (comm.rank() == 0) counter = 0;
  MPI_Barrier(MPI_COMM_WORLD);
  for (int turn = 1; turn <= 200; ++turn) {
    ++counter;
    barrier(comm);
    EXPECT_GE(counter.load(), turn * comm.size());
  }
  MPI_Barrier(MPI_COMM_WORLD);
  MPI_Win_free(&window);
}

}  // namespace
}  // namespace tutti
