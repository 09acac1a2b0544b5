// What happens when a call is wrong, when calls differ, and when a rank is missing: which error which rank gets, what
// it says, and that nothing hangs. Each test makes its own communicators, because those that failed cannot be used
// again.
#include <gtest/gtest.h>

#include <chrono>
#include <cmath>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include <tests/collectives/grid.hpp>
#include <tutti/allreduce/allreduce.hpp>
#include <tutti/collectives/collectives.hpp>

namespace tutti {
namespace {

using Clock = std::chrono::steady_clock;
using Action = std::function<void(const Communicator&)>;

constexpr auto kSoon = std::chrono::seconds(10);

enum class Outcome { success, invalid, communication };

struct Result {
  Outcome outcome = Outcome::success;
  std::string message;
};

Result attempt(const std::function<void()>& action) {
  try {
    action();
  } catch (const InvalidArgument& error) {
    return {Outcome::invalid, error.what()};
  } catch (const CommunicationError& error) {
    return {Outcome::communication, error.what()};
  }
  return {};
}

testing::AssertionResult contains(const std::string& message, const std::string& part) {
  if (message.find(part) != std::string::npos) return testing::AssertionSuccess();
  return testing::AssertionFailure() << "'" << message << "' does not say '" << part << "'";
}

Communicator with_deadline(double seconds) {
  return Communicator(MPI_COMM_WORLD, {.deadline = std::chrono::duration<double>(seconds)});
}

/// The communicator is usable no more: on every rank, soon, with some text.
void expect_unusable(const Communicator& comm) {
  const auto begin = Clock::now();
  const Result later = attempt([&] { barrier(comm); });
  EXPECT_EQ(later.outcome, Outcome::communication);
  EXPECT_FALSE(later.message.empty());
  EXPECT_TRUE(comm.unusable());
  EXPECT_EQ(attempt([&] {
              int one = 1;
              allreduce(comm, std::span(&one, 1), ReduceOp::sum);
            }).message,
            later.message);
  EXPECT_LT(Clock::now() - begin, kSoon);
}

/// Memory that outlives the test: after a failure MPI may still read and write it.
template <class T>
std::span<T> lasting(std::size_t count, T value = {}) {
  static std::vector<std::unique_ptr<std::vector<T>>> kept;
  return *kept.emplace_back(std::make_unique<std::vector<T>>(count, value));
}

// ---- Wrong arguments

struct WrongCall {
  const char* says;
  Action call;
};

std::vector<WrongCall> wrong_calls() {
  static std::vector<float> memory(64);
  const Buffer data{std::span(memory)};
  const auto floats = [=](std::size_t first, std::size_t n) { return data.slice(first, n); };
  const Buffer nowhere(nullptr, 8, DType::f32);
  const Buffer device(memory.data(), 8, DType::f32, MemorySpace::device);
  const auto sum = ReduceOp::sum;
  return {
      {"null", [=](const Communicator& c) { allreduce(c, nowhere, sum); }},
      {"null", [=](const Communicator& c) { broadcast(c, nowhere, 0); }},
      {"null", [=](const Communicator& c) { allreduce(c, floats(0, 8), nowhere, sum); }},
      {"device", [=](const Communicator& c) { allreduce(c, device, sum); }},
      {"device", [=](const Communicator& c) { iallreduce(c, device, sum).wait(); }},
      {"bit_xor is not defined for f32", [=](const Communicator& c) { allreduce(c, floats(0, 8), ReduceOp::bit_xor); }},
      {"logical_or", [=](const Communicator& c) { reduce(c, floats(0, 8), floats(8, 8), ReduceOp::logical_or, 0); }},
      {"output 7", [=](const Communicator& c) { allreduce(c, floats(0, 8), floats(8, 7), sum); }},
      {"f64",
       [=](const Communicator& c) { allreduce(c, floats(0, 8), Buffer(memory.data() + 8, 8, DType::f64), sum); }},
      {"overlap", [=](const Communicator& c) { allreduce(c, floats(0, 8), floats(7, 8), sum); }},
      {"overlap", [=](const Communicator& c) { allreduce(c, floats(1, 8), floats(0, 8), sum); }},
      {"root is -1", [=](const Communicator& c) { broadcast(c, floats(0, 8), -1); }},
      {"root", [=](const Communicator& c) { broadcast(c, floats(0, 8), c.size()); }},
      {"root", [=](const Communicator& c) { reduce(c, floats(0, 8), floats(8, 8), sum, c.size() + 7); }},
      {"output has 15", [=](const Communicator& c) { all_gather(c, floats(0, 8), floats(8, 15), {}); }},
      {"input has 15", [=](const Communicator& c) { reduce_scatter(c, floats(8, 15), floats(0, 8), sum); }},
      {"overlap",
       [=](const Communicator& c) {
         const auto size = static_cast<std::size_t>(c.size());
         const auto rank = static_cast<std::size_t>(c.rank());
         all_gather(c, floats(2 * rank + 1, 2), floats(0, 2 * size), {});  // one element beside its place
       }},
      {"overlap",
       [=](const Communicator& c) {
         const auto n = static_cast<std::size_t>(c.size());
         all_to_all(c, floats(0, n), floats(0, n));
       }},
      {"there is no algorithm 'snail'",
       [=](const Communicator& c) { allreduce(c, floats(0, 8), sum, {.algorithm = "snail"}); }},
      {"only ring, binomial",
       [=](const Communicator& c) { broadcast(c, floats(0, 8), 0, {.algorithm = "halving_doubling"}); }},
      {"dtype", [=](const Communicator& c) { allreduce(c, Buffer(memory.data(), 8, static_cast<DType>(77)), sum); }},
      {"operator", [=](const Communicator& c) { allreduce(c, floats(0, 8), static_cast<ReduceOp>(77)); }},
  };
}

TEST(WrongAlike, IsInvalidEverywhereAndChangesNothing) {
  const Communicator comm(MPI_COMM_WORLD, test::patient());
  const std::vector<WrongCall> calls = wrong_calls();
  int turn = 0;
  for (; turn < 132; ++turn) {
    const WrongCall& wrong = calls[static_cast<std::size_t>(turn) % calls.size()];
    const Result result = attempt([&] { wrong.call(comm); });
    EXPECT_EQ(result.outcome, Outcome::invalid) << wrong.says;
    EXPECT_TRUE(contains(result.message, wrong.says));
    EXPECT_TRUE(contains(result.message, "#"));  // which call it was
    if (turn % 3 != 0) continue;
    int one = 1;
    allreduce(comm, std::span(&one, 1), ReduceOp::sum);
    EXPECT_EQ(one, comm.size());
  }
  EXPECT_FALSE(comm.unusable());
}

/// Ranks tell each other of refusals; what they say must not reach a later communicator that MPI gives the same
/// identity.
TEST(WrongAlike, IsForgottenWithItsCommunicator) {
  for (int turn = 0; turn < 20; ++turn) {
    {
      const Communicator comm(MPI_COMM_WORLD, test::patient());
      if (comm.rank() == turn % comm.size()) std::this_thread::sleep_for(std::chrono::milliseconds(10));
      EXPECT_THROW(broadcast(comm, Buffer(), -1), InvalidArgument);
    }
    const Communicator next(MPI_COMM_WORLD, test::patient());
    for (int i = 0; i < 3; ++i) {
      int one = 1;
      allreduce(next, std::span(&one, 1), ReduceOp::sum);
      ASSERT_EQ(one, next.size());
    }
  }
}

class WrongAlone : public testing::TestWithParam<std::size_t> {};

TEST_P(WrongAlone, IsNamedOnAllOthers) {
  const std::vector<WrongCall> calls = wrong_calls();
  const std::vector<std::size_t> chosen = {0, 3, 5, 7, 9, 12, 14, 18, 20};
  for (const std::size_t index : chosen) {
    const Communicator comm = with_deadline(20);
    if (comm.size() == 1) GTEST_SKIP() << "needs a peer";
    const int wrong_rank = GetParam() == 0 ? 0 : comm.size() - 1;
    const auto begin = Clock::now();
    const WrongCall& wrong = calls[index];
    const std::span<double> data = lasting<double>(GetParam() == 0 ? 3 : 100000);
    const Result result = attempt([&] {
      if (comm.rank() == wrong_rank) {
        wrong.call(comm);
      } else {
        allreduce(comm, data, ReduceOp::sum);
      }
    });
    EXPECT_LT(Clock::now() - begin, kSoon);
    if (comm.rank() == wrong_rank) {
      EXPECT_EQ(result.outcome, Outcome::invalid);
    } else {
      EXPECT_EQ(result.outcome, Outcome::communication);
      EXPECT_TRUE(contains(result.message, text("rank ", wrong_rank)));
    }
    EXPECT_TRUE(contains(result.message, wrong.says));
    expect_unusable(comm);
  }
}

INSTANTIATE_TEST_SUITE_P(Rank, WrongAlone, testing::Values(0, 1),
                         [](const auto& row) { return row.param == 0 ? "First" : "Last"; });

/// Ranks that are wrong alike, but not all: they too must learn that the communicator is gone.
TEST(WrongOnSome, IsUnusableEverywhere) {
  for (const int right : {0, 1}) {
    const Communicator comm = with_deadline(20);
    if (comm.size() < 3) GTEST_SKIP() << "needs two peers";
    const auto begin = Clock::now();
    const bool is_wrong = right == 0 ? comm.rank() != 0 : comm.rank() < comm.size() - 1;
    const Result result = attempt([&] { broadcast(comm, Buffer(lasting<int>(10)), is_wrong ? -1 : 0); });
    EXPECT_EQ(result.outcome == Outcome::invalid, is_wrong);
    expect_unusable(comm);
    EXPECT_LT(Clock::now() - begin, kSoon);
  }
}

TEST(WrongOptions, AreInvalid) {
  const auto make = [](const CommunicatorOptions& options) {
    return attempt([&] { Communicator(MPI_COMM_WORLD, options); });
  };
  EXPECT_TRUE(contains(make({.bits = Bits::layout}).message, "bits"));
  EXPECT_TRUE(contains(make({.bits = Bits::ranks}).message, "bits"));
  EXPECT_EQ(make({.bits = Bits::ranks}).outcome, Outcome::invalid);
  EXPECT_TRUE(contains(make({.ranks_per_node = -1}).message, "ranks_per_node"));
  EXPECT_TRUE(contains(make({.deadline = std::chrono::seconds(0)}).message, "deadline"));
  EXPECT_TRUE(contains(make({.deadline = std::chrono::seconds(-1)}).message, "deadline"));
  EXPECT_TRUE(contains(make({.deadline = std::chrono::duration<double>(std::nan(""))}).message, "deadline"));
  MPI_Barrier(MPI_COMM_WORLD);
}

TEST(WrongParent, IsInvalid) {
  const Result null = attempt([] { Communicator comm(MPI_COMM_NULL); });
  EXPECT_EQ(null.outcome, Outcome::invalid);
  EXPECT_TRUE(contains(null.message, "MPI_COMM_NULL"));

  int rank = 0;
  int size = 0;
  MPI_Comm_rank(MPI_COMM_WORLD, &rank);
  MPI_Comm_size(MPI_COMM_WORLD, &size);
  if (size == 1) return;
  MPI_Comm side = MPI_COMM_NULL;
  MPI_Comm between = MPI_COMM_NULL;
  MPI_Comm_split(MPI_COMM_WORLD, rank % 2, rank, &side);
  MPI_Intercomm_create(side, 0, MPI_COMM_WORLD, 1 - rank % 2, 3, &between);
  const Result inter = attempt([&] { Communicator comm(between); });
  EXPECT_EQ(inter.outcome, Outcome::invalid);
  EXPECT_TRUE(contains(inter.message, "inter-communicator"));
  MPI_Comm_free(&between);
  MPI_Comm_free(&side);
}

// ---- Calls that differ

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

// ---- Ranks that are missing or leave

TEST(Missing, IsNamedAtTheDeadline) {
  for (const std::size_t count : {std::size_t{3}, std::size_t{300000}}) {
    const Communicator comm = with_deadline(1.5);
    if (comm.size() == 1) GTEST_SKIP() << "needs a peer";
    const int missing = comm.size() - 1;
    const auto begin = Clock::now();
    Result result;
    if (comm.rank() != missing) {
      result = attempt([&] { allreduce(comm, lasting<float>(count), ReduceOp::sum); });
      EXPECT_EQ(result.outcome, Outcome::communication);
      EXPECT_TRUE(contains(result.message, "rank"));
      EXPECT_TRUE(contains(result.message, "no progress for 1.5 s"));
      EXPECT_GE(Clock::now() - begin, std::chrono::milliseconds(1400));
      EXPECT_LT(Clock::now() - begin, kSoon);
    }
    if (comm.rank() != missing) {
      EXPECT_TRUE(contains(result.message, text("rank ", missing, " gives no sign")));
    }
    MPI_Barrier(MPI_COMM_WORLD);
    expect_unusable(comm);
  }
}

TEST(Missing, IsWarnedOfOnceAndThenAllIsWell) {
  CommunicatorOptions options = test::patient();
  options.stall_warning = std::chrono::milliseconds(200);
  const Communicator comm(MPI_COMM_WORLD, options);
  if (comm.size() == 1) GTEST_SKIP() << "needs a peer";
  const int late = comm.size() - 1;
  testing::internal::CaptureStderr();
  for (int turn = 0; turn < 2; ++turn) {
    MPI_Barrier(MPI_COMM_WORLD);
    if (comm.rank() == late) std::this_thread::sleep_for(std::chrono::milliseconds(700));
    int one = 1;
    allreduce(comm, std::span(&one, 1), ReduceOp::sum);
    EXPECT_EQ(one, comm.size());
  }
  const std::string warnings = testing::internal::GetCapturedStderr();
  if (comm.rank() == late) {
    EXPECT_EQ(warnings, "");
    return;
  }
  EXPECT_EQ(std::count(warnings.begin(), warnings.end(), '\n'), 2) << warnings;  // one a call
  EXPECT_TRUE(contains(warnings, text("tutti: warning: rank ", comm.rank(), ": allreduce #0")));
  EXPECT_TRUE(contains(warnings, "allreduce #1"));
  EXPECT_TRUE(contains(warnings, "sum i32 x 1"));
  EXPECT_TRUE(contains(warnings, "from rank"));
}

TEST(Missing, IsNotWarnedOfIfNotAskedTo) {
  CommunicatorOptions options = test::patient();
  options.stall_warning = std::chrono::seconds(0);
  const Communicator comm(MPI_COMM_WORLD, options);
  testing::internal::CaptureStderr();
  if (comm.rank() == 0) std::this_thread::sleep_for(std::chrono::milliseconds(300));
  barrier(comm);
  EXPECT_EQ(testing::internal::GetCapturedStderr(), "");
}

TEST(Abandoned, TellsEveryRankWhy) {
  for (const bool long_reason : {false, true}) {
    const Communicator comm = with_deadline(20);
    const Communicator copy = comm;
    if (comm.size() == 1) GTEST_SKIP() << "needs a peer";
    const int leaver = comm.size() - 1;
    const std::string reason = "the disk is full" + std::string(long_reason ? 1000 : 0, '.');
    const auto begin = Clock::now();
    if (comm.rank() == leaver) {
      std::this_thread::sleep_for(std::chrono::milliseconds(50));
      comm.abandon(reason);
      EXPECT_TRUE(copy.unusable());
    } else {
      const Result result = attempt([&] { allreduce(comm, lasting<float>(10), ReduceOp::sum); });
      EXPECT_EQ(result.outcome, Outcome::communication);
      EXPECT_TRUE(contains(result.message, "the disk is full"));
      EXPECT_TRUE(contains(result.message, text("rank ", leaver)));
    }
    expect_unusable(copy);
    EXPECT_LT(Clock::now() - begin, kSoon);
  }
}

TEST(Abandoned, FailsOperationsThatAreUnderWay) {
  const Communicator comm = with_deadline(20);
  if (comm.size() == 1) GTEST_SKIP() << "needs a peer";
  std::vector<Operation> operations;
  if (comm.rank() != 0) {
    for (int i = 0; i < 5; ++i) operations.push_back(iallreduce(comm, lasting<float>(100000), ReduceOp::sum));
  } else {
    comm.abandon("enough");
  }
  for (Operation& operation : operations) {
    const Result result = attempt([&] { operation.wait(); });
    EXPECT_EQ(result.outcome, Outcome::communication);
    EXPECT_TRUE(contains(result.message, "enough"));
  }
  expect_unusable(comm);
}

TEST(GivenUp, AnOperationTakesItsCommunicatorWithIt) {
  for (const std::size_t count : {std::size_t{3}, std::size_t{300000}}) {
    const Communicator comm = with_deadline(20);
    if (comm.size() == 1) GTEST_SKIP() << "needs a peer";
    const std::span<float> data = lasting<float>(count);
    if (comm.rank() == 0) {
      { const Operation given_up = iallreduce(comm, data, ReduceOp::sum); }
      EXPECT_TRUE(comm.unusable());
    } else {
      std::this_thread::sleep_for(std::chrono::milliseconds(50));  // rank 0 cannot complete
      const Result result = attempt([&] {
        allreduce(comm, data, ReduceOp::sum);
        barrier(comm);
      });
      EXPECT_EQ(result.outcome, Outcome::communication);
      EXPECT_TRUE(contains(result.message, "given up"));
      EXPECT_TRUE(contains(result.message, "rank 0"));
    }
    expect_unusable(comm);
  }
}

TEST(Failed, CommunicatorsLeaveOthersAlone) {
  const Communicator good(MPI_COMM_WORLD, test::patient());
  const Communicator bad = with_deadline(20);
  std::vector<int> data(100000, 1);
  Operation operation = iallreduce(good, std::span(data), ReduceOp::sum);
  if (bad.rank() == 0) bad.abandon("a test");
  if (bad.size() > 1) expect_unusable(bad);
  operation.wait();
  EXPECT_EQ(data, std::vector<int>(data.size(), good.size()));
  EXPECT_FALSE(good.unusable());
}

}  // namespace
}  // namespace tutti
