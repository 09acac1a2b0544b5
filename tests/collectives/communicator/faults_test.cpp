// Failures and liveness of a communicator in one process, without a launcher: what is lost, held back or overtaken
// gives right results, or one error on every rank that names what was awaited.
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include <tutti/allreduce/allreduce.hpp>
#include <tutti/collectives/collectives.hpp>
#include <tutti/collectives/communicator/communicator_state.hpp>
#include <tutti/collectives/point_to_point.hpp>
#include <tutti/kernels/error.hpp>

#include "tests/collectives/communicator/thread_ranks.hpp"

namespace tutti::test {
namespace {

using detail::ControlMessage;

constexpr unsigned kSeed = 20261130;
constexpr std::chrono::milliseconds kTimeout{400};

CommunicatorOptions options_with(std::chrono::milliseconds timeout = kTimeout) {
  CommunicatorOptions options;
  options.shared_memory = false;
  options.stall_warning = std::chrono::seconds(0);
  options.timeout = timeout;
  return options;
}

bool has(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

/// Integers, so that sums are exact.
std::vector<float> input_of(int rank, std::size_t count) {
  std::vector<float> data(count);
  for (std::size_t i = 0; i < count; ++i) data[i] = static_cast<float>((static_cast<std::size_t>(rank) * 7 + i) % 251);
  return data;
}

std::vector<float> sum_of(int ranks, std::size_t count) {
  std::vector<float> sum(count, 0.0F);
  for (int rank = 0; rank < ranks; ++rank) {
    const std::vector<float> own = input_of(rank, count);
    for (std::size_t i = 0; i < count; ++i) sum[i] += own[i];
  }
  return sum;
}

class Faults : public testing::TestWithParam<int> {};

INSTANTIATE_TEST_SUITE_P(Ranks, Faults, testing::Values(2, 3, 5));

TEST_P(Faults, MessagesThatAreHeldBackAndOvertakenChangeNoResult) {
  const int ranks = GetParam();
  FaultyNetwork network(ranks);
  std::mt19937 random(kSeed);
  network.data_fate = [&](const Envelope&) { return Fate{.delay = std::chrono::microseconds(random() % 2000)}; };
  network.control_fate = [&](int, int, const ControlMessage&) {
    return Fate{.delay = std::chrono::microseconds(random() % 2000)};
  };
  const auto errors = run_ranks(network, options_with(std::chrono::seconds(20)), [&](const Communicator& comm) {
    for (const char* const algorithm : {"ring", "recursive_doubling", "halving_doubling", "double_tree"}) {
      for (const std::size_t count : {std::size_t{1}, std::size_t{1000}, std::size_t{5001}}) {
        std::vector<float> data = input_of(comm.rank(), count);
        allreduce(comm, std::span(data), ReduceOp::sum, {.algorithm = algorithm});
        ASSERT_EQ(data, sum_of(ranks, count)) << algorithm << ", " << count << ", seed " << kSeed;
      }
    }
  });
  for (const std::string& error : errors) EXPECT_EQ(error, "");
}

// Several operations at once, waited for in another order on each rank.
TEST_P(Faults, OperationsUnderWayTogetherKeepApart) {
  const int ranks = GetParam();
  FaultyNetwork network(ranks);
  std::mt19937 random(kSeed);
  network.data_fate = [&](const Envelope&) { return Fate{.delay = std::chrono::microseconds(random() % 3000)}; };
  const auto errors = run_ranks(network, options_with(std::chrono::seconds(20)), [&](const Communicator& comm) {
    constexpr std::size_t kCount = 777;
    std::vector<std::vector<float>> data(4);
    std::vector<Request> requests;
    for (std::size_t i = 0; i < data.size(); ++i) {
      data[i] = input_of(comm.rank() + static_cast<int>(i), kCount);
      requests.push_back(iallreduce(comm, std::span(data[i]), ReduceOp::sum));
    }
    for (std::size_t i = 0; i < requests.size(); ++i) {
      requests[(i + static_cast<std::size_t>(comm.rank())) % requests.size()].wait();
    }
    for (std::size_t i = 0; i < data.size(); ++i) {
      float first = 0;
      for (int rank = 0; rank < ranks; ++rank) first += input_of(rank + static_cast<int>(i), 1).front();
      ASSERT_EQ(data[i].front(), first) << "operation " << i << ", seed " << kSeed;
    }
  });
  for (const std::string& error : errors) EXPECT_EQ(error, "");
}

TEST_P(Faults, ALostMessageIsAnErrorOfEveryRankThatNamesTheSender) {
  const int ranks = GetParam();
  FaultyNetwork network(ranks);
  network.data_fate = [&](const Envelope& message) { return Fate{.lost = message.from == 1 && message.to == 0}; };
  const auto errors = run_ranks(network, options_with(), [](const Communicator& comm) {
    std::vector<float> data = input_of(comm.rank(), 10);
    reduce(comm, std::span<const float>(data), std::span(data), ReduceOp::sum, 0, {.algorithm = "knomial"});
    barrier(comm);
  });
  EXPECT_TRUE(has(errors[0], "reduce #0")) << errors[0];
  EXPECT_TRUE(has(errors[0], "no progress for 0.4 s")) << errors[0];
  EXPECT_TRUE(has(errors[0], "waits for messages from rank 1")) << errors[0];
  for (std::size_t rank = 1; rank < errors.size(); ++rank) EXPECT_FALSE(errors[rank].empty()) << rank;
}

// The failure notification is lost too: each rank has its own timeout.
TEST_P(Faults, WhereNotificationsAreLostEveryRankStillEnds) {
  const int ranks = GetParam();
  FaultyNetwork network(ranks);
  network.data_fate = [&](const Envelope& message) { return Fate{.lost = message.from == 1}; };
  network.control_fate = [](int, int, const ControlMessage&) { return Fate{.lost = true}; };
  const auto begin = std::chrono::steady_clock::now();
  const auto errors = run_ranks(network, options_with(), [](const Communicator& comm) {
    std::vector<float> data = input_of(comm.rank(), 10);
    allreduce(comm, std::span(data), ReduceOp::sum, {.algorithm = "ring"});
    barrier(comm);
  });
  for (std::size_t rank = 0; rank < errors.size(); ++rank) {
    EXPECT_TRUE(has(errors[rank], "no progress for 0.4 s")) << rank << ": " << errors[rank];
  }
  EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(10));
}

TEST_P(Faults, ARefusalThatComesEarlyOrLateIsAnErrorOfTheOthers) {
  const int ranks = GetParam();
  for (const int delay_ms : {0, 50}) {
    FaultyNetwork network(ranks);
    network.control_fate = [&](int, int, const ControlMessage&) {
      return Fate{.delay = std::chrono::milliseconds(delay_ms)};
    };
    const auto errors = run_ranks(network, options_with(std::chrono::seconds(5)), [&](const Communicator& comm) {
      // Others are late where the refusal comes at once, and early where it is held back.
      if (comm.rank() != 1 && delay_ms == 0) std::this_thread::sleep_for(std::chrono::milliseconds(30));
      std::vector<float> data = input_of(comm.rank(), 10);
      allreduce(comm, std::span(data), ReduceOp::sum, {.radix = comm.rank() == 1 ? 99 : 0});
    });
    EXPECT_TRUE(has(errors[1], "radix 99")) << errors[1];
    for (int rank = 0; rank < ranks; ++rank) {
      if (rank == 1) continue;
      const std::string& error = errors[static_cast<std::size_t>(rank)];
      EXPECT_TRUE(has(error, "rank 1: ")) << error;
      EXPECT_TRUE(has(error, "radix 99")) << error;
    }
  }
}

/// A rank of another machine has died, as its neighbours there say: who waits for it learns it long before the timeout,
/// and who does not goes on.
TEST(Liveness, ARankThatIsSaidToBeGoneFailsThoseThatWaitForIt) {
  FaultyNetwork network(3);
  const auto begin = std::chrono::steady_clock::now();
  std::atomic<bool> done{false};
  const auto errors = run_ranks(network, options_with(std::chrono::seconds(20)), [&](const Communicator& comm) {
    if (comm.rank() == 2) {
      ControlMessage message{.kind = ControlMessage::Kind::gone, .about = 2, .sequence = 0};
      message.say("rank 2 (pid 1 on elsewhere) has died");
      for (const int peer : {0, 1}) network.send_control(2, peer, message);
      while (!done) std::this_thread::sleep_for(std::chrono::milliseconds(1));
      return;
    }
    // These two are not held up by a rank that takes no part.
    float value = 1.0F;
    if (comm.rank() == 0) send(comm, std::span<const float>(&value, 1), 1);
    if (comm.rank() == 1) receive(comm, std::span(&value, 1), 0);
    if (comm.rank() == 1) {
      done = true;
      return;
    }
    receive(comm, std::span(&value, 1), 2);
  });
  EXPECT_TRUE(has(errors[0], "rank 2 (pid 1 on elsewhere) has died")) << errors[0];
  EXPECT_EQ(errors[1], "");
  EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(5));
}

TEST(Liveness, CallsThatDifferWithoutMeetingAreFoundByAsking) {
  FaultyNetwork network(2);
  network.data_fate = [](const Envelope&) { return Fate{.lost = true}; };
  const auto errors = run_ranks(network, options_with(std::chrono::seconds(20)), [](const Communicator& comm) {
    std::vector<float> data = input_of(comm.rank(), 10);
    if (comm.rank() == 0) {
      allreduce(comm, std::span(data), ReduceOp::sum, {.algorithm = "ring"});
    } else {
      broadcast(comm, std::span(data), 0);
    }
  });
  for (const std::string& error : errors) {
    EXPECT_TRUE(has(error, "allreduce") && has(error, "broadcast")) << error;
  }
}

}  // namespace
}  // namespace tutti::test
