// Calls that meet and differ: an error on every rank that names both, long before any timeout.
#include <gtest/gtest.h>

#include <chrono>
#include <span>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include <tests/support/ranks/errors.hpp>
#include <tutti/allreduce/allreduce_table.hpp>
#include <tutti/collectives/communicator/communicator_state.hpp>
#include <tutti/collectives/engine/dispatch.hpp>
#include <tutti/collectives/schedule/algorithm_table.hpp>
#include <tutti/kernels/text.hpp>

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

Action late(const Action& action) {
  return [=](const Communicator& c) {
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
    action(c);
  };
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
      // What has come already does not fit into what is awaited, and the segments are not in first messages.
      {"SegmentsLarge", sum_of(1000000, {.algorithm = "recursive_doubling", .segment_bytes = 200000}),
       late(sum_of(1000000, {.algorithm = "recursive_doubling", .segment_bytes = 100000})), "calls allreduce",
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
  const Communicator comm = with_timeout(5);
  if (comm.size() == 1) GTEST_SKIP() << "needs a peer";
#ifdef MPICH_VERSION
  if (std::string_view(difference.title) == "SegmentsLarge") {
    GTEST_SKIP() << "MPICH ends the program when a message does not fit";
  }
#endif
  const auto begin = Clock::now();
  const Result result = attempt([&] {
    (comm.rank() == comm.size() - 1 ? difference.other : difference.one)(comm);
    barrier(comm);
  });
  EXPECT_LT(Clock::now() - begin, std::chrono::seconds(4)) << "only the timeout showed it";
  EXPECT_EQ(result.outcome, Outcome::communication);
  EXPECT_TRUE(contains(result.message, difference.one_says));
  EXPECT_TRUE(contains(result.message, difference.other_says));
  EXPECT_TRUE(contains(result.message, text("rank ", comm.size() - 1)));
  expect_unusable(comm);
}

/// Headers lie where those of calls long ago lay, of which they keep what they have in common.
TEST(CallsThatDiffer, AreToldAfterManyOthers) {
  for (const bool meet : {true, false}) {
    const Communicator comm = with_timeout(5);
    if (comm.size() == 1) GTEST_SKIP() << "needs a peer";
    const bool is_last = comm.rank() == comm.size() - 1;
    for (int i = 0; i < 200; ++i) i < 100 ? barrier(comm) : sum_of(10)(comm);
    const Result result = attempt([&] {
      for (int i = 0; i < 100; ++i) barrier(comm);  // the last of them may still run here when others differ
      if (meet) sum_of(is_last ? 12 : 11)(comm);
      if (!meet) broadcast(comm, lasting<float>(10), is_last ? comm.size() - 1 : 0);
      barrier(comm);
    });
    EXPECT_EQ(result.outcome, Outcome::communication);
    for (const char* says : meet ? std::vector{"sum f32 x 11", "sum f32 x 12"}
                                 : std::vector{"barrier", "before called broadcast f32 x 10 root 0"}) {
      EXPECT_TRUE(contains(result.message, says)) << result.message;
    }
    expect_unusable(comm);
  }
}

/// So that it cannot be asked what it called.
TEST(CallsThatDiffer, AreToldWhereThePeerIsAway) {
  const Communicator comm = with_timeout(5);
  if (comm.size() == 1) GTEST_SKIP() << "needs a peer";
  const bool is_last = comm.rank() == comm.size() - 1;
  const auto begin = Clock::now();
  const Result result = attempt([&] {
    broadcast(comm, lasting<float>(10), is_last ? comm.size() - 1 : 0);
    broadcast(comm, lasting<float>(10), 0);
    if (comm.rank() == 0) std::this_thread::sleep_for(std::chrono::seconds(2));
    barrier(comm);
  });
  const auto limit = is_last ? std::chrono::milliseconds(1500) : std::chrono::seconds(4);
  EXPECT_LT(Clock::now() - begin, limit);
  EXPECT_EQ(result.outcome, Outcome::communication);
  EXPECT_TRUE(contains(result.message, "calls differ"));
  EXPECT_TRUE(contains(result.message, text("rank ", comm.size() - 1)));
  // Messages do not tell what was called before, and nobody is there to ask.
  if (comm.size() == 2 && is_last && comm.state().node() == nullptr) {
    EXPECT_TRUE(contains(result.message, "both call broadcast f32 x 10 root 0"));
    EXPECT_TRUE(contains(result.message, "or an earlier call"));
  }
  expect_unusable(comm);
}

TEST(Comparing, CanBeLeftOutToMeasureWhatItCosts) {
  const Communicator comm = with_timeout(5);
  const auto ranks = static_cast<std::size_t>(comm.size());
  for (const bool compares : {true, false, true}) {
    comm.state().calls().set_compares(compares);
    for (const std::size_t count : {std::size_t{2}, std::size_t{100000}}) {
      std::vector<int> data(count, comm.rank() == 0 ? 5 : 0);
      broadcast(comm, std::span(data), 0);
      EXPECT_EQ(data, std::vector<int>(count, 5));
      allreduce(comm, std::span(data), ReduceOp::sum);
      EXPECT_EQ(data, std::vector<int>(count, 5 * comm.size()));
      const std::vector<int> sevens(count * ranks, 7);
      std::vector<int> all(count * ranks);
      const std::vector<std::size_t> counts(ranks, count);
      all_to_all_v(comm, ConstBuffer(std::span(sevens)), counts, Buffer(std::span(all)), counts);
      EXPECT_EQ(all, sevens);
    }
    barrier(comm);
  }
}

INSTANTIATE_TEST_SUITE_P(Calls, Differ, testing::ValuesIn(differences()),
                         [](const auto& row) { return std::string(row.param.title); });

}  // namespace
}  // namespace tutti::test
