// What ranks must have in common when they make a communicator, and what all then know alike.
#include <gtest/gtest.h>

#include <array>
#include <cmath>
#include <string>
#include <vector>

#include <tests/support/ranks/errors.hpp>
#include <tests/support/ranks/members.hpp>
#include <tutti/allreduce/allreduce_table.hpp>
#include <tutti/collectives/communicator/communicator_state.hpp>
#include <tutti/collectives/selection/tuning.hpp>

#include "tests/support/temporary_folder.hpp"

namespace tutti::test {
namespace {

Result make(const CommunicatorOptions& options) {
  return attempt([&] { Communicator(MPI_COMM_WORLD, options); });
}

TEST(Options, ThatDifferAreInvalidOnEveryRankWhichNamesThem) {
  const int size = world_size();
  if (size == 1) GTEST_SKIP() << "one rank differs from nobody";
  const int odd = size - 1;
  LevelCosts costs{kSharedMemoryCosts, kRdmaCosts};
  if (world_rank() == odd) costs.network.gap *= 2;
  const std::string ranks = " differ between rank 0 and rank " + std::to_string(odd);
  EXPECT_EQ(make({.costs = costs}).message, "Communicator: options.costs" + ranks);
  EXPECT_EQ(make({.costs = costs}).outcome, Outcome::invalid);
  // Pretended nodes on one rank alone: the others ask MPI.
  EXPECT_EQ(make({.ranks_per_node = world_rank() == odd ? 1 : 0}).message,
            "Communicator: options.ranks_per_node" + ranks);
  EXPECT_EQ(make({.costs = costs, .ranks_per_node = world_rank() == odd ? 1 : 2}).message,
            "Communicator: options.costs" + ranks + "; options.ranks_per_node" + ranks);
  const Communicator comm(MPI_COMM_WORLD);  // nothing is left over
  barrier(comm);
}

TEST(Options, ThatAreWrongOnOneRankAreInvalidOnAll) {
  const int wrong = world_size() - 1;
  const Result result = make({.ranks_per_node = world_rank() == wrong ? -1 : 0});
  EXPECT_EQ(result.outcome, Outcome::invalid);
  EXPECT_TRUE(contains(result.message, "ranks_per_node is -1"));
  EXPECT_TRUE(contains(result.message, world_rank() == wrong ? "" : "rank " + std::to_string(wrong) + ": "));
  EXPECT_EQ(make({.costs = LevelCosts{kTcpCosts, kTcpCosts}, .tuning_file = "x"}).outcome, Outcome::invalid);
}

/// Whether all ranks say the same.
testing::AssertionResult same_everywhere(const Communicator& comm, std::uint64_t value) {
  std::vector<std::uint64_t> all(static_cast<std::size_t>(comm.size()));
  MPI_Allgather(&value, 1, MPI_UINT64_T, all.data(), 1, MPI_UINT64_T, comm.mpi());
  for (const std::uint64_t other : all) {
    if (other != all.front()) return testing::AssertionFailure() << other << " and " << all.front();
  }
  return testing::AssertionSuccess();
}

Tuning measured_here() {
  Tuning tuning;
  const NetworkClass network = Communicator(MPI_COMM_WORLD).selection_facts().network;
  tuning.measured_on = local_fingerprint(network);
  tuning.costs = {kSharedMemoryCosts, built_in_costs(network)};
  tuning.costs.node.latency = 1.0 / 3;
  tuning.costs.network.latency = 1.0 / 7;
  return tuning;
}

TEST(TuningFile, OfRankZeroServesAllRanks) {
  const TemporaryFolder folder;  // of this rank alone
  const std::string named = (folder.path() / "tuning.json").string();
  const Tuning tuning = measured_here();
  if (world_rank() == 0) write_file(named, tuning_text(tuning));
  const Communicator comm(MPI_COMM_WORLD, {.tuning_file = named});
  const SelectionFacts& facts = comm.selection_facts();
  EXPECT_EQ(facts.source, CostSource::tuning_file);
  EXPECT_EQ(facts.refused, "");
  EXPECT_EQ(facts.costs.node.latency, 1.0 / 3);
  EXPECT_EQ(facts.costs.network.latency, 1.0 / 7);
  EXPECT_EQ(comm.state().everyone().selector().costs().latency, comm.topology().nodes > 1 ? 1.0 / 7 : 1.0 / 3);
  EXPECT_TRUE(same_everywhere(comm, facts.digest));
  EXPECT_NE(facts.digest, Communicator(MPI_COMM_WORLD).selection_facts().digest);
  // A part, whose first rank has no such file, goes on with what all know.
  const auto part = comm.split(0, -comm.rank());
  EXPECT_EQ(part->selection_facts().source, CostSource::tuning_file);
  EXPECT_EQ(part->selection_facts().costs.network.latency, 1.0 / 7);
  MPI_Barrier(MPI_COMM_WORLD);
}

TEST(TuningFile, ThatIsRefusedLeavesBuiltInConstantsOnAllRanks) {
  const TemporaryFolder folder;
  const std::string named = (folder.path() / "tuning.json").string();
  const auto facts_with = [&](const std::string& content) {
    if (world_rank() == 0) write_file(named, content);
    const Communicator comm(MPI_COMM_WORLD, {.tuning_file = named});
    EXPECT_TRUE(same_everywhere(comm, comm.selection_facts().digest));
    return comm.selection_facts();
  };
  const std::uint64_t built_in = Communicator(MPI_COMM_WORLD).selection_facts().digest;
  Tuning elsewhere = measured_here();
  elsewhere.measured_on.cores += 1;
  const SelectionFacts facts = facts_with(tuning_text(elsewhere));
  EXPECT_EQ(facts.source, CostSource::built_in);
  EXPECT_TRUE(contains(facts.refused, "the number of cores is"));
  EXPECT_TRUE(contains(facts.tuning_file, "tuning.json"));
  EXPECT_EQ(facts.digest, built_in);
  // Of the environment any file that cannot be used.
  setenv("TUTTI_TUNING", "/nonexistent/t.json", 1);
  const SelectionFacts missing = Communicator(MPI_COMM_WORLD).selection_facts();
  unsetenv("TUTTI_TUNING");
  EXPECT_EQ(missing.refused, "cannot read tuning file /nonexistent/t.json");
  EXPECT_EQ(missing.digest, built_in);
}

TEST(TuningFile, OfTheProgramThatCannotBeReadIsInvalidOnAllRanks) {
  const TemporaryFolder folder;
  const std::string named = (folder.path() / "tuning.json").string();
  if (world_rank() == 0) write_file(named, "{");
  const Result damaged = make({.tuning_file = named});
  EXPECT_EQ(damaged.outcome, Outcome::invalid);
  EXPECT_TRUE(contains(damaged.message, "tuning.json:1: not JSON"));
  const Result missing = make({.tuning_file = "/nonexistent/t.json"});
  EXPECT_EQ(missing.outcome, Outcome::invalid);
  EXPECT_EQ(missing.message, "Communicator: cannot read tuning file /nonexistent/t.json");
  MPI_Barrier(MPI_COMM_WORLD);
}

// Between nodes without an RDMA network large messages travel in pieces, some at a time, more of them than there is
// room for.
TEST(FarMessages, OfManyPiecesArriveInOrder) {
  const Communicator comm(MPI_COMM_WORLD, {.timeout = std::chrono::seconds(60), .ranks_per_node = 1});
  if (comm.selection_facts().network != NetworkClass::tcp) GTEST_SKIP() << "this machine has an RDMA network";
  if (comm.size() == 1) GTEST_SKIP() << "one rank has no messages";
  detail::Transport& transport = comm.state().transport();
  constexpr int kTags[] = {1800, 1801};
  const std::size_t count = (std::size_t{60} << 10) * 50 + 3;  // bytes, odd and beyond the pieces under way
  const int to = (comm.rank() + 1) % comm.size();
  const int from = (comm.rank() + comm.size() - 1) % comm.size();
  const auto byte = [](int rank, int message, std::size_t i) {
    return static_cast<std::byte>((i * 2654435761U >> 13) + static_cast<std::size_t>(rank * 7 + message));
  };
  // Two messages of each tag; the receiver of the tags takes them in another order than they are sent.
  std::vector<std::vector<std::byte>> sent(4, std::vector<std::byte>(count));
  std::vector<std::vector<std::byte>> received(4, std::vector<std::byte>(count));
  detail::Pending pending;
  for (const int message : {2, 0, 3, 1}) {
    transport.receive(from, kTags[message / 2], received[static_cast<std::size_t>(message)], pending);
  }
  for (const int message : {0, 1, 2, 3}) {
    auto& data = sent[static_cast<std::size_t>(message)];
    for (std::size_t i = 0; i < count; ++i) data[i] = byte(comm.rank(), message, i);
    transport.send(to, kTags[message / 2], data, pending);
  }
  EXPECT_LE(transport.underway().size(), 4 * 32U);
  const auto begin = Clock::now();
  while (pending.messages > 0) {
    transport.progress();
    ASSERT_LT(Clock::now() - begin, std::chrono::seconds(60));
  }
  for (const int message : {0, 1, 2, 3}) {
    for (std::size_t i = 0; i < count; ++i) {
      ASSERT_EQ(received[static_cast<std::size_t>(message)][i], byte(from, message, i)) << message << ' ' << i;
    }
  }
  MPI_Barrier(comm.mpi());
}

}  // namespace
}  // namespace tutti::test
