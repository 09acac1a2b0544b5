// Calls whose arguments are wrong, on every rank or on some: which error which rank gets, what it says, that nothing
// hangs.
#include <gtest/gtest.h>

#include <chrono>
#include <cmath>
#include <cstdint>
#include <span>
#include <string>
#include <thread>
#include <vector>

#include <tutti/kernels/text.hpp>

#include <tests/support/ranks/errors.hpp>
#include <tutti/collectives/point_to_point.hpp>

namespace tutti::test {
namespace {

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
      {"input has 18446744073709551615 elements of f32, more than memory holds",
       [=](const Communicator& c) { allreduce(c, Buffer(memory.data(), SIZE_MAX, DType::f32), sum); }},
      {"more than memory holds",  // wraps to 4 bytes
       [=](const Communicator& c) { broadcast(c, Buffer(memory.data(), (SIZE_MAX >> 2) + 2, DType::f32), 0); }},
      {"more than memory holds",
       [=](const Communicator& c) {  // the blocks of all ranks, which only the root has memory for
         const std::size_t block = PTRDIFF_MAX / 4 / static_cast<std::size_t>(c.size()) + 1;
         const Buffer all(memory.data(), block * static_cast<std::size_t>(c.size()), DType::f32);
         gather(c, Buffer(memory.data(), block, DType::f32), all, 0);
       }},
      {"more than memory holds",
       [=](const Communicator& c) {
         const std::size_t block = PTRDIFF_MAX / static_cast<std::size_t>(c.size()) + 1;
         const Buffer all(memory.data(), block * static_cast<std::size_t>(c.size()), DType::u8);
         scatter(c, all, Buffer(memory.data(), block, DType::u8), 0);
       }},
      {"device", [=](const Communicator& c) { allreduce(c, device, sum); }},
      {"device", [=](const Communicator& c) { iallreduce(c, device, sum).wait(); }},
      {"bit_xor is not defined for f32", [=](const Communicator& c) { allreduce(c, floats(0, 8), ReduceOp::bit_xor); }},
      {"logical_or", [=](const Communicator& c) { reduce(c, floats(0, 8), floats(8, 8), ReduceOp::logical_or, 0); }},
      {"output 7", [=](const Communicator& c) { allreduce(c, floats(0, 8), floats(8, 7), sum); }},
      {"f64",
       [=](const Communicator& c) { allreduce(c, floats(0, 8), Buffer(memory.data() + 8, 8, DType::f64), sum); }},
      {"input and output overlap; for in-place use pass input = output",
       [=](const Communicator& c) { allreduce(c, floats(0, 8), floats(7, 8), sum); }},
      {"input and output overlap; for in-place use pass input = output",
       [=](const Communicator& c) { allreduce(c, floats(1, 8), floats(0, 8), sum); }},
      {"root -1 is out of range: ", [=](const Communicator& c) { broadcast(c, floats(0, 8), -1); }},
      {"root", [=](const Communicator& c) { broadcast(c, floats(0, 8), c.size()); }},
      {"root", [=](const Communicator& c) { reduce(c, floats(0, 8), floats(8, 8), sum, c.size() + 7); }},
      {"output has 15", [=](const Communicator& c) { all_gather(c, floats(0, 8), floats(8, 15), {}); }},
      {"input has 15", [=](const Communicator& c) { reduce_scatter(c, floats(8, 15), floats(0, 8), sum); }},
      {"for in-place use pass input = output + rank * count",
       [=](const Communicator& c) {
         const auto size = static_cast<std::size_t>(c.size());
         const auto rank = static_cast<std::size_t>(c.rank());
         all_gather(c, floats(2 * rank + 1, 2), floats(0, 2 * size), {});  // one element beside its place
       }},
      {"for in-place use pass output = input + rank * count",
       [=](const Communicator& c) {
         const auto size = static_cast<std::size_t>(c.size());
         reduce_scatter(c, floats(0, 2 * size), floats(2 * static_cast<std::size_t>(c.rank()) + 1, 2), sum);
       }},
      {"for in-place use pass output = input + the counts of lower ranks",
       [=](const Communicator& c) {
         const std::vector<std::size_t> counts(static_cast<std::size_t>(c.size()), 2);
         const auto all = floats(0, 2 * counts.size());
         reduce_scatter_v(c, all, floats(2 * static_cast<std::size_t>(c.rank()) + 1, 2), counts, sum);
       }},
      {"all_to_all has no in-place form",
       [=](const Communicator& c) {
         const auto n = static_cast<std::size_t>(c.size());
         all_to_all(c, floats(0, n), floats(0, n));
       }},
      {"unknown algorithm 'snail'; known are ",
       [=](const Communicator& c) { allreduce(c, floats(0, 8), sum, {.algorithm = "snail"}); }},
      {"known are knomial, ring",
       [=](const Communicator& c) { broadcast(c, floats(0, 8), 0, {.algorithm = "halving_doubling"}); }},
      {"radix 1 is out of range: with ", [=](const Communicator& c) { allreduce(c, floats(0, 8), sum, {.radix = 1}); }},
      {"radix 9 is out of range: with ", [=](const Communicator& c) { broadcast(c, floats(0, 8), 0, {.radix = 9}); }},
      {"root 99 is out of range: ", [=](const Communicator& c) { gather(c, floats(0, 1), floats(8, 9), 99); }},
      {"null", [=](const Communicator& c) { gather(c, nowhere, Buffer(), c.size() - 1); }},
      {"null", [=](const Communicator& c) { scatter(c, floats(0, 0), nowhere, 0); }},
      {"dtype", [=](const Communicator& c) { allreduce(c, Buffer(memory.data(), 8, static_cast<DType>(77)), sum); }},
      {"operator", [=](const Communicator& c) { allreduce(c, floats(0, 8), static_cast<ReduceOp>(77)); }},
  };
}

TEST(WrongAlike, IsInvalidEverywhereAndChangesNothing) {
  const Communicator comm(MPI_COMM_WORLD, patient());
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
      const Communicator comm(MPI_COMM_WORLD, patient());
      if (comm.rank() == turn % comm.size()) std::this_thread::sleep_for(std::chrono::milliseconds(10));
      EXPECT_THROW(broadcast(comm, Buffer(), -1), InvalidArgument);
    }
    const Communicator next(MPI_COMM_WORLD, patient());
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
    const Communicator comm = with_timeout(20);
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
    const Communicator comm = with_timeout(20);
    if (comm.size() < 3) GTEST_SKIP() << "needs two peers";
    const auto begin = Clock::now();
    const bool is_wrong = right == 0 ? comm.rank() != 0 : comm.rank() < comm.size() - 1;
    const Result result = attempt([&] { broadcast(comm, Buffer(lasting<int>(10)), is_wrong ? -1 : 0); });
    EXPECT_EQ(result.outcome == Outcome::invalid, is_wrong);
    expect_unusable(comm);
    EXPECT_LT(Clock::now() - begin, kSoon);
  }
}

// The same pointer for input and output is right on rank 0 alone. Whoever was wrong, and whoever learns of it, first
// hears why; all later calls say since when. Nothing is compared with a call that nobody is in.
TEST(WrongOnSome, LaterCallsSaySinceWhen) {
  const Communicator comm = with_timeout(20);
  if (comm.size() == 1) GTEST_SKIP() << "needs a peer";
  const std::span<double> memory = lasting<double>(256, 1.0);
  const std::span<double> own = lasting<double>(4, 1.0);
  for (int i = 0; i < 3; ++i) barrier(comm);
  MPI_Barrier(MPI_COMM_WORLD);  // nobody is in a barrier any more, and learns of it there
  const auto size = static_cast<std::size_t>(comm.size());
  const Result first =
      attempt([&] { all_gather(comm, std::span<const double>(memory).first(8), memory.first(8 * size)); });
  const std::string why =
      "all_gather #3: input and output overlap; for in-place use pass input = output + rank * count";
  EXPECT_EQ(first.outcome, comm.rank() == 0 ? Outcome::communication : Outcome::invalid);
  EXPECT_TRUE(contains(first.message, why));
  EXPECT_FALSE(comm.rank() == 0 && first.message.starts_with("communicator unusable since")) << first.message;
  for (int i = 0; i < 3; ++i) {
    const Result later = attempt([&] { allreduce(comm, own, ReduceOp::sum); });
    EXPECT_EQ(later.outcome, Outcome::communication);
    EXPECT_TRUE(contains(later.message, why));
    EXPECT_EQ(later.message.find("calls differ"), std::string::npos) << later.message;
    const bool knows = i > 0 || comm.rank() == 0;
    EXPECT_TRUE(!knows || later.message.starts_with("communicator unusable since")) << later.message;
  }
  EXPECT_TRUE(contains(attempt([&] { send(comm, own, 0); }).message, "communicator unusable since"));
  EXPECT_TRUE(contains(attempt([&] { comm.split(0); }).message, "communicator unusable since"));
}

TEST(WrongOptions, AreInvalid) {
  const auto make = [](const CommunicatorOptions& options) {
    return attempt([&] { Communicator(MPI_COMM_WORLD, options); });
  };
  EXPECT_TRUE(contains(make({.reproducibility = Reproducibility::ranks}).message, "reproducibility"));
  EXPECT_EQ(make({.reproducibility = Reproducibility::ranks}).outcome, Outcome::invalid);
  TransportCosts costs = kRdmaCosts;
  costs.byte = -1e-10;
  EXPECT_TRUE(
      contains(make({.costs = LevelCosts{kSharedMemoryCosts, costs}}).message, "cost of the transport is -1e-10"));
  EXPECT_TRUE(contains(make({.ranks_per_node = -1}).message, "ranks_per_node"));
  EXPECT_TRUE(contains(make({.timeout = std::chrono::seconds(0)}).message, "timeout"));
  EXPECT_TRUE(contains(make({.timeout = std::chrono::seconds(-1)}).message, "timeout"));
  EXPECT_TRUE(contains(make({.timeout = std::chrono::duration<double>(std::nan(""))}).message, "timeout"));
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

}  // namespace
}  // namespace tutti::test
