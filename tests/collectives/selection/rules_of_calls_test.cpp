// Rules of the environment, and what TUTTI_DEBUG tells, in the calls of ranks.
#include <gtest/gtest.h>

#include <cstdlib>
#include <numeric>
#include <string>
#include <vector>

#include <tests/support/ranks/errors.hpp>
#include <tests/support/ranks/members.hpp>
#include <tutti/collectives/call/collective_calls.hpp>
#include <tutti/collectives/communicator/communicator_state.hpp>
#include <tutti/collectives/engine/dispatch.hpp>
#include <tutti/collectives/persistent.hpp>
#include <tutti/collectives/selection/rules.hpp>

#include "tests/support/temporary_folder.hpp"
#include "tests/support/variable.hpp"

namespace tutti::test {
namespace {

/// What rank 0 says on standard error; nothing elsewhere.
std::string told(const std::function<void()>& action) {
  testing::internal::CaptureStderr();
  action();
  const std::string said = testing::internal::GetCapturedStderr();
  return world_rank() == 0 ? said : std::string();
}

void sum(const Communicator& comm, std::size_t count, const CollectiveOptions& options = {}) {
  std::vector<float> data(count, static_cast<float>(comm.rank() + 1));
  allreduce(comm, std::span(data), ReduceOp::sum, options);
  const auto expected = static_cast<float>(comm.size() * (comm.size() + 1) / 2);
  for (const float value : data) ASSERT_EQ(value, expected);
}

/// What the lowest rank says of an allreduce of so many floats with these rules.
std::string told_of(const std::string& rules, std::size_t count, const CommunicatorOptions& options = {},
                    const CollectiveOptions& call = {}) {
  const Variable debug("TUTTI_DEBUG", "info");
  const Variable variable("TUTTI_ALGORITHM", rules);
  return told([&] { sum(Communicator(MPI_COMM_WORLD, options), count, call); });
}

/// Only rank 0 hears.
testing::AssertionResult is_told(const std::string& said, const std::string& part) {
  return world_rank() == 0 ? contains(said, part) : testing::AssertionSuccess();
}

testing::AssertionResult is_untold(const std::string& said, const std::string& part) {
  if (said.find(part) == std::string::npos) return testing::AssertionSuccess();
  return testing::AssertionFailure() << "'" << said << "' says '" << part << "'";
}

TEST(RulesOfCalls, ChooseBySizeInWhateverProgram) {
  if (world_size() == 1) GTEST_SKIP() << "one rank has no algorithm";
  const std::string rules = "allreduce:4K-:ring:segment=1K,allreduce:-64:knomial:radix=2";
  EXPECT_TRUE(is_told(told_of(rules, 1024), "allreduce sum f32, 4K bytes: ring, "));
  EXPECT_TRUE(is_told(told_of(rules, 1024), "(rule 'allreduce:4K-:ring:segment=1K' of TUTTI_ALGORITHM)"));
  EXPECT_TRUE(
      is_told(told_of(rules, 16), "64 bytes: knomial, radix 2, 1 segment (rule 'allreduce:-64:knomial:radix=2'"));
  EXPECT_TRUE(is_untold(told_of(rules, 17), "rule '"));
  // The first that fits holds; auto leaves the choice to the model; what the program names comes before both.
  EXPECT_TRUE(is_untold(told_of("allreduce:-1K:auto,allreduce:ring", 16), "ring, "));
  EXPECT_TRUE(is_told(told_of("allreduce:ring", 16, {}, {.algorithm = "knomial"}), "knomial, "));
  EXPECT_TRUE(is_untold(told_of("allreduce:ring:ranks=99-", 16), "rule '"));
  EXPECT_TRUE(is_told(told_of("allreduce:ring:nodes=2-", 16, {.ranks_per_node = 1}), "rule 'allreduce:ring:nodes=2-'"));
}

TEST(RulesOfCalls, ThatCannotServeACallArePassedOver) {
  if (world_size() < 3) GTEST_SKIP() << "needs an order of several";
  const std::string said =
      told_of("allreduce:ring,allreduce:halving_doubling", 64, {.reproducibility = Reproducibility::layout});
  EXPECT_TRUE(is_told(said, "rule 'allreduce:ring' of TUTTI_ALGORITHM is passed over"));
  EXPECT_TRUE(is_told(said, "halving_doubling, "));
  EXPECT_TRUE(is_told(told_of("allreduce:halving_doubling:radix=64", 64), "is passed over (radix 64 is out of range"));
  EXPECT_TRUE(is_told(told_of("allreduce:hierarchical", 64, {.ranks_per_node = 1}),
                      "is passed over (algorithm 'hierarchical'"));
  EXPECT_TRUE(is_told(told_of("allreduce:hierarchical", 64, {.ranks_per_node = 2}), "hierarchical, 1 chunk (rule "));
}

TEST(RulesOfCalls, HoldForEveryFormAndInParts) {
  if (world_size() == 1) GTEST_SKIP() << "one rank has no algorithm";
  const Variable debug("TUTTI_DEBUG", "info");
  const Variable variable("TUTTI_ALGORITHM", "all_gather:ring,allgatherv:circulant,bcast:ring,allreduce:swing");
  const std::string said = told([&] {
    const Communicator whole(MPI_COMM_WORLD);
    const Communicator comm = *whole.split(0, 0);
    const auto ranks = static_cast<std::size_t>(comm.size());
    std::vector<int> all(2 * ranks);
    const std::vector<int> own(2, comm.rank());
    all_gather(comm, std::span(own), std::span(all));
    EXPECT_EQ(all.back(), comm.size() - 1);
    std::vector<std::size_t> counts(ranks, 1);
    counts[0] = 2;
    const std::vector<int> mine(counts[static_cast<std::size_t>(comm.rank())], comm.rank());
    std::vector<int> uneven(ranks + 1);
    all_gather_v(comm, std::span(mine), std::span(uneven), std::span(counts));
    EXPECT_EQ(uneven.back(), comm.size() - 1);
    ibroadcast(comm, Buffer(std::span(all)), 0).wait();
    float one = 1;
    PersistentRequest sums =
        allreduce_init(comm, ConstBuffer(&one, 1, DType::f32), Buffer(&one, 1, DType::f32), ReduceOp::sum);
    sums.start();
    sums.wait();
    EXPECT_EQ(one, static_cast<float>(comm.size()));
  });
  EXPECT_TRUE(is_told(said, "all_gather i32, "));
  EXPECT_TRUE(is_told(said, "(rule 'all_gather:ring' of TUTTI_ALGORITHM)"));
  EXPECT_TRUE(is_told(said, "all_gather_v i32, "));  // which the first rule serves as well
  EXPECT_TRUE(is_told(said, "broadcast i32, "));
  EXPECT_TRUE(is_told(said, "swing, "));
}

TEST(RulesOfCalls, OfAFileAreReadByRankZero) {
  const TemporaryFolder folder;
  const std::string file = (folder.path() / "rules").string();
  if (world_rank() == 0) write_file(file, "# site\nallreduce:ring\n");
  std::string shared = file;  // the path of rank 0: elsewhere nothing lies there
  shared.resize(256);
  MPI_Bcast(shared.data(), 256, MPI_CHAR, 0, MPI_COMM_WORLD);
  shared.resize(shared.find('\0'));
  const Variable variable("TUTTI_ALGORITHM_FILE", shared);
  EXPECT_EQ(Communicator(MPI_COMM_WORLD).selection_facts().rules->size(), 1U);
  const std::uint64_t digest = Communicator(MPI_COMM_WORLD).selection_facts().digest;
  if (world_size() > 1) {
    EXPECT_TRUE(is_told(told_of("reduce:knomial", 8), "(rule 'allreduce:ring' of " + shared + ":2)"));
  }
  // Whatever is wrong with it, all ranks are told.
  MPI_Barrier(MPI_COMM_WORLD);
  if (world_rank() == 0) write_file(file, "allreduce:ring\nallreduce:rng\n");
  Result made = attempt([] { Communicator(MPI_COMM_WORLD); });
  EXPECT_EQ(made.outcome, Outcome::invalid);
  EXPECT_TRUE(contains(made.message, shared + ":2: rule 'allreduce:rng': unknown allreduce algorithm 'rng'"));
  const Variable missing("TUTTI_ALGORITHM_FILE", "/nonexistent/rules");
  made = attempt([] { Communicator(MPI_COMM_WORLD); });
  EXPECT_EQ(made.outcome, Outcome::invalid);
  EXPECT_TRUE(contains(made.message, "TUTTI_ALGORITHM_FILE: cannot read /nonexistent/rules"));
  unsetenv("TUTTI_ALGORITHM_FILE");
  EXPECT_NE(digest, Communicator(MPI_COMM_WORLD).selection_facts().digest);
  MPI_Barrier(MPI_COMM_WORLD);
}

TEST(RulesOfCalls, ThatAreWrongOrDifferAreInvalidOnEveryRank) {
  {
    const Variable variable("TUTTI_ALGORITHM", "allreduce:4M-:rng");
    const Result made = attempt([] { Communicator(MPI_COMM_WORLD); });
    EXPECT_EQ(made.outcome, Outcome::invalid);
    EXPECT_TRUE(contains(made.message, "TUTTI_ALGORITHM: rule 'allreduce:4M-:rng': unknown allreduce algorithm"));
  }
  {
    const Variable variable("TUTTI_DEBUG", "verbose");
    const Result made = attempt([] { Communicator(MPI_COMM_WORLD); });
    EXPECT_EQ(made.outcome, Outcome::invalid);
    EXPECT_TRUE(contains(made.message, "TUTTI_DEBUG: unknown level 'verbose'; known are info, none"));
  }
  if (world_size() == 1) return;
  for (const char* const name : {"TUTTI_ALGORITHM", "TUTTI_ALGORITHM_FILE"}) {
    const Variable variable(name, world_rank() == 1 ? "ring" : "");
    const Result made = attempt([] { Communicator(MPI_COMM_WORLD); });
    EXPECT_EQ(made.outcome, Outcome::invalid);
    EXPECT_TRUE(contains(made.message,
                         "the rules for algorithms (TUTTI_ALGORITHM, TUTTI_ALGORITHM_FILE of each rank: "
                         "mpirun -x) differ between rank 0 and rank 1"));
  }
}

TEST(DebugInfo, IsALineForEachCommunicatorAndKindOfCall) {
  const Variable debug("TUTTI_DEBUG", "info");
  const std::string said = told([&] {
    const Communicator comm(MPI_COMM_WORLD, {.ranks_per_node = 1});
    for (int i = 0; i < 3; ++i) sum(comm, 8);
    sum(comm, 9);
    barrier(comm);
  });
  const auto lines = [&](const std::string& part) {
    int found = 0;
    for (std::size_t at = 0; (at = said.find(part, at)) != std::string::npos; ++at) ++found;
    return found;
  };
  if (world_rank() != 0) return;
  const int calls = world_size() > 1 ? 1 : 0;
  EXPECT_EQ(lines(world_size() > 1 ? " nodes, 1 per node; transport MPI" : "1 rank on 1 node"), 1) << said;
  EXPECT_EQ(lines("cost model: "), 1) << said;
  EXPECT_EQ(lines("allreduce sum f32, 32 bytes: "), calls) << said;
  EXPECT_EQ(lines("allreduce sum f32, 36 bytes: "), calls) << said;
  EXPECT_EQ(lines("barrier: dissemination, radix "), calls) << said;
}

/// A call that all ranks make if they can runs in the memory of the node, whatever rules say of calls like it.
TEST(RulesOfCalls, DoNotReachCallsThatAllRanksMakeIfTheyCan) {
  if (world_size() == 1) GTEST_SKIP() << "one rank has no algorithm";
  const Variable variable("TUTTI_ALGORITHM", "barrier:dissemination");
  const Communicator comm(MPI_COMM_WORLD);
  if (!comm.state().is_one_node()) GTEST_SKIP() << "ranks exchange messages";
  const detail::Call call = detail::barrier_call({});
  for (int turn = 0; turn < 2; ++turn) {
    barrier(comm);
    EXPECT_TRUE(detail::run_if_all_can(comm, &call));
    EXPECT_FALSE(detail::run_if_all_can(comm, comm.rank() == 0 ? nullptr : &call));
  }
}

}  // namespace
}  // namespace tutti::test
