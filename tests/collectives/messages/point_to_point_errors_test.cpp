// Messages between two ranks that go wrong: arguments, and ends that differ.
#include <gtest/gtest.h>
#include <mpi.h>

#include <algorithm>
#include <optional>
#include <string>
#include <tuple>
#include <vector>

#include <tests/support/ranks/errors.hpp>
#include <tutti/collectives/point_to_point.hpp>
#include <tutti/collectives/schedule/message_sizes.hpp>
#include <tutti/kernels/text.hpp>

namespace tutti::test {
namespace {

TEST(WrongMessage, IsInvalidHereAndNamedElsewhere) {
  const auto floats = [](std::size_t n) { return Buffer(lasting<float>(n)); };
  const Buffer nowhere(nullptr, 8, DType::f32);
  const Buffer device(lasting<float>(8).data(), 8, DType::f32, MemorySpace::device);
  const Buffer typeless(lasting<float>(8).data(), 8, static_cast<DType>(77));
  const Buffer endless(lasting<float>(8).data(), SIZE_MAX / 2, DType::f32);
  struct Wrong {
    const char* says;
    Action call;
  };
  const std::vector<Wrong> wrong_calls = {
      {"send to rank 9: there ", [&](const Communicator& c) { send(c, floats(1), 9); }},
      {"send to rank -1: there ", [&](const Communicator& c) { send(c, floats(1), kAnySource); }},
      {"receive from rank 9: there ", [&](const Communicator& c) { receive(c, floats(1), 9); }},
      {"receive from rank -2: there ", [&](const Communicator& c) { (void)ireceive(c, floats(1), -2); }},
      {"send to rank 0: data is null", [&](const Communicator& c) { (void)isend(c, nowhere, 0); }},
      {"receive from rank 0: data is null", [&](const Communicator& c) { receive(c, nowhere, 0); }},
      {"receive from any rank: data is null", [&](const Communicator& c) { receive(c, nowhere, kAnySource); }},
      {"device memory", [&](const Communicator& c) { send(c, device, 0); }},
      {"there is no dtype 77", [&](const Communicator& c) { receive(c, typeless, 0); }},
      {"more than memory holds", [&](const Communicator& c) { receive(c, endless, 0); }},
      {"send to rank 7: there ", [&](const Communicator& c) { MessageGroup(c).send(floats(1), 7); }},
      {"receive from rank 0: data is null", [&](const Communicator& c) { MessageGroup(c).receive(nowhere, 0); }},
  };
  for (const Wrong& wrong : wrong_calls) {
    const Communicator comm = with_timeout(20);
    const int wrong_rank = comm.size() - 1;
    const auto begin = Clock::now();
    const Result result = attempt([&] {
      if (comm.rank() == wrong_rank) {
        wrong.call(comm);
      } else {
        receive(comm, floats(1), wrong_rank);
      }
    });
    EXPECT_EQ(result.outcome, comm.rank() == wrong_rank ? Outcome::invalid : Outcome::communication) << wrong.says;
    EXPECT_TRUE(contains(result.message, wrong.says));
    if (comm.rank() != wrong_rank) {
      EXPECT_TRUE(contains(result.message, text("rank ", wrong_rank, ": ")));
    }
    if (comm.size() == 1) {
      EXPECT_TRUE(comm.unusable());
      continue;
    }
    expect_unusable(comm);
    EXPECT_EQ(attempt([&] { (void)isend(comm, floats(1), 0); }).outcome, Outcome::communication);
    EXPECT_EQ(attempt([&] { (void)MessageGroup(comm).start(); }).outcome, Outcome::communication);
    EXPECT_LT(Clock::now() - begin, kSoon);
  }
}

struct Difference {
  const char* title;
  std::size_t sent;
  std::size_t awaited;
  bool other_type;
};

class Ends : public testing::TestWithParam<std::tuple<Difference, bool>> {};

/// The receiver tells both; the sender, who may be done, and ranks that have no part in it learn of it.
TEST_P(Ends, ThatDifferAreAnErrorThatNamesBoth) {
  const Difference difference = std::get<0>(GetParam());
  const bool any_source = std::get<1>(GetParam());
  const Communicator comm = with_timeout(20);
  if (comm.size() == 1) GTEST_SKIP() << "needs a peer";
#ifdef MPICH_VERSION
  constexpr std::size_t kMostInHeader = detail::kInlinePayloadBytes / sizeof(float);
  if (std::max(difference.sent, difference.awaited) > kMostInHeader)
    GTEST_SKIP() << "MPICH ends the program when a payload is too long";
#endif
  const int receiver = comm.size() - 1;
  const auto begin = Clock::now();
  const Result result = attempt([&] {
    if (comm.rank() == 0) {
      for (int i = 0; i < 3; ++i) send(comm, lasting<float>(4), receiver);
      Request sending = isend(comm, lasting<float>(difference.sent), receiver);
      // A receive that awaits what comes then must not be taken for right, though its own message is.
      Request another = isend(comm, lasting<float>(5000), receiver);
      sending.wait();
      another.wait();
      barrier(comm);
    } else if (comm.rank() == receiver) {
      for (int i = 0; i < 3; ++i) receive(comm, lasting<float>(4), 0);
      const Buffer data =
          difference.other_type ? Buffer(lasting<int>(difference.awaited)) : Buffer(lasting<float>(difference.awaited));
      Request receiving = ireceive(comm, data, any_source ? kAnySource : 0);
      Request another = ireceive(comm, lasting<float>(5000), any_source ? kAnySource : 0);
      another.wait();
      ADD_FAILURE() << "the second receive is complete";
      receiving.wait();
    } else {
      barrier(comm);
    }
  });
  EXPECT_EQ(result.outcome, Outcome::communication);
  EXPECT_TRUE(
      contains(result.message, text("rank 0 sends f32 x ", difference.sent, " as message #3, rank ", receiver,
                                    " awaits ", difference.other_type ? "i32" : "f32", " x ", difference.awaited)));
  EXPECT_TRUE(contains(result.message, any_source ? "receive from any rank (" : "receive from rank 0 ("));
  if (comm.rank() != receiver) {
    EXPECT_TRUE(contains(result.message, text("rank ", receiver, ": ")));
  }
  expect_unusable(comm);
  EXPECT_LT(Clock::now() - begin, kSoon);
}

INSTANTIATE_TEST_SUITE_P(
    All, Ends,
    testing::Combine(testing::Values(Difference{"Small", 10, 12, false}, Difference{"None", 0, 5, false},
                                     Difference{"TypeSmall", 10, 10, true}, Difference{"TypeLarge", 70000, 70000, true},
                                     Difference{"SmallAndLarge", 10, 70000, false},
                                     Difference{"LargeAndSmall", 3000, 10, false},
                                     Difference{"Large", 70001, 70000, false},
                                     Difference{"LargeShorter", 70000, 70001, false},
                                     Difference{"AtTheLimit", 1024, 1025, false}),
                     testing::Bool()),
    [](const auto& row) { return text(std::get<0>(row.param).title, std::get<1>(row.param) ? "Any" : ""); });

TEST(EndsAtOneself, ThatDifferAreAnError) {
  for (const bool send_first : {false, true}) {
    const Communicator comm = with_timeout(20);
    const Result result = attempt([&] {
      std::optional<Request> receiving;
      if (!send_first) receiving = ireceive(comm, lasting<float>(6), comm.rank());
      send(comm, lasting<float>(5), comm.rank());
      if (send_first) receive(comm, lasting<float>(6), comm.rank());
    });
    EXPECT_EQ(result.outcome, Outcome::communication);
    EXPECT_TRUE(contains(result.message, text("sends f32 x 5 as message #0, rank ", comm.rank(), " awaits f32 x 6")));
    EXPECT_TRUE(comm.unusable());
  }
}

}  // namespace
}  // namespace tutti::test
