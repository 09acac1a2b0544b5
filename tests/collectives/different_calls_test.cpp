// Calls that meet and differ: an error on every rank that names both, long before any deadline.
#include <gtest/gtest.h>

#include <chrono>
#include <string>
#include <vector>

#include <tests/collectives/errors.hpp>
#include <tutti/allreduce/table.hpp>
#include <tutti/collectives/executor.hpp>
#include <tutti/collectives/table.hpp>

namespace tutti::test {
namespace {

struct Difference {
  const char* title;
  Action one;    ///< what all but the last rank call
  Action other;  ///< what the last rank calls
  const char* one_says;
  const char* other_says;
};

Action sum_of(std::size_t count, const CollectiveOptions& options = {}) {
  return [=](const Communicator& c) { allreduce(c, lasting<float>(count), ReduceOp::sum, options); };
}

/// As a build would whose table has this algorithm alone.
template <int kBuild>
Action sum_by_table_of(const char* algorithm) {
  static const Algorithm* const table[] = {find_algorithm(allreduce_algorithms(), Collective::allreduce, algorithm)};
  return [=](const Communicator& c) {
    const auto data = lasting<float>(1000);
    detail::start_collective(c, table,
                             {.collective = Collective::allreduce,
                              .input = Buffer(data),
                              .output = Buffer(data),
                              .data_count = data.size(),
                              .dtype = DType::f32,
                              .options = {.algorithm = algorithm}})
        ->wait();
  };
}

std::vector<Difference> differences() {
  const auto sum = ReduceOp::sum;
  return {
      {"CountSmall", sum_of(10), sum_of(11), "sum f32 x 10", "sum f32 x 11"},
      {"CountNone", sum_of(0), sum_of(5), "sum f32 x 0", "sum f32 x 5"},
      {"CountSmallAndLarge", sum_of(10), sum_of(100000), "sum f32 x 10", "sum f32 x 100000"},
      {"CountLargeAndSmall", sum_of(100000), sum_of(10), "sum f32 x 100000", "sum f32 x 10"},
      {"CountLarge", sum_of(1000000), sum_of(999999), "sum f32 x 1000000", "sum f32 x 999999"},
      {"CountAtTheInlineLimit", sum_of(1024, {.algorithm = "recursive_doubling"}),
       sum_of(1025, {.algorithm = "recursive_doubling"}), "sum f32 x 1024", "sum f32 x 1025"},
      {"Type", sum_of(1000), [=](const Communicator& c) { allreduce(c, lasting<int>(1000), sum); }, "sum f32 x 1000",
       "sum i32 x 1000"},
      {"TypeLarge", sum_of(100000), [=](const Communicator& c) { allreduce(c, lasting<double>(100000), sum); },
       "sum f32 x 100000", "sum f64 x 100000"},
      {"Operator", sum_of(1000), [=](const Communicator& c) { allreduce(c, lasting<float>(1000), ReduceOp::avg); },
       "sum f32 x 1000", "avg f32 x 1000"},
      {"Algorithm", sum_of(1000, {.algorithm = "ring"}), sum_of(1000, {.algorithm = "halving_doubling"}), "algorithm",
       "algorithm"},
      {"AlgorithmsOfOnePlaceInTables", sum_by_table_of<0>("ring"), sum_by_table_of<1>("two_way_ring"), "algorithm",
       "algorithm"},
      {"Segments", sum_of(100000, {.segment_bytes = 5000}), sum_of(100000, {.segment_bytes = 50000}), "segments",
       "segments"},
      {"Kind", sum_of(1000), [](const Communicator& c) { barrier(c); }, "calls allreduce", "calls barrier"},
      {"KindLarge", sum_of(100000), [](const Communicator& c) { broadcast(c, lasting<float>(100000), c.size() - 1); },
       "calls allreduce", "calls broadcast"},
      {"KindGather",
       [](const Communicator& c) {
         all_gather(c, lasting<int>(100), lasting<int>(100 * static_cast<std::size_t>(c.size())));
       },
       sum_of(100), "calls all_gather", "calls allreduce"},
      {"GatherCount",
       [](const Communicator& c) {
         all_gather(c, lasting<int>(100), lasting<int>(100 * static_cast<std::size_t>(c.size())));
       },
       [](const Communicator& c) {
         all_gather(c, lasting<int>(99), lasting<int>(99 * static_cast<std::size_t>(c.size())));
       },
       "calls all_gather", "calls all_gather"},
      {"RootOfReduce", [=](const Communicator& c) { reduce(c, lasting<int>(10), lasting<int>(10), sum, 0); },
       [=](const Communicator& c) { reduce(c, lasting<int>(10), lasting<int>(10), sum, c.size() - 1); }, "root 0",
       "root"},
      {"RootOfBroadcast", [](const Communicator& c) { broadcast(c, lasting<int>(10), 0); },
       [](const Communicator& c) { broadcast(c, lasting<int>(10), c.size() - 1); }, "root 0", "root"},
      {"RootOfBroadcastLarge", [](const Communicator& c) { broadcast(c, lasting<int>(1000000), 0); },
       [](const Communicator& c) { broadcast(c, lasting<int>(1000000), c.size() - 1); }, "root 0", "root"},
  };
}  // NOLINT(clang-analyzer-cplusplus.NewDeleteLeaks): the analyzer loses functions moved out of the list

class Differ : public testing::TestWithParam<Difference> {};

/// A rank whose part needs no answer may return before it can know; it then learns of it in its next call.
TEST_P(Differ, IsAnErrorOnEveryRankThatNamesBothCalls) {
  const Difference& difference = GetParam();
  const Communicator comm = with_deadline(5);
  if (comm.size() == 1) GTEST_SKIP() << "needs a peer";
  const auto begin = Clock::now();
  const Result result = attempt([&] {
    (comm.rank() == comm.size() - 1 ? difference.other : difference.one)(comm);
    barrier(comm);
  });
  EXPECT_LT(Clock::now() - begin, std::chrono::seconds(4)) << "only the deadline showed it";
  EXPECT_EQ(result.outcome, Outcome::communication);
  EXPECT_TRUE(contains(result.message, difference.one_says));
  EXPECT_TRUE(contains(result.message, difference.other_says));
  EXPECT_TRUE(contains(result.message, text("rank ", comm.size() - 1)));
  expect_unusable(comm);
}

INSTANTIATE_TEST_SUITE_P(Calls, Differ, testing::ValuesIn(differences()),
                         [](const auto& row) { return std::string(row.param.title); });

}  // namespace
}  // namespace tutti::test
