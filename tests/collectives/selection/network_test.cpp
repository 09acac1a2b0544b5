// Communicators that are told what joins their nodes: results on tori are those of everywhere else, and descriptions
// that do not fit are refused or left out alike on all ranks.
#include <gtest/gtest.h>

#include <cstdlib>
#include <limits>
#include <string>

#include <tests/support/ranks/grid.hpp>
#include <tests/support/ranks/trial.hpp>
#include <tutti/allreduce/allreduce_table.hpp>
#include <tutti/collectives/schedule/algorithm_table.hpp>
#include <tutti/kernels/error.hpp>

namespace tutti {
namespace {

int world_size() {
  int size = 0;
  MPI_Comm_size(MPI_COMM_WORLD, &size);
  return size;
}

CommunicatorOptions on_torus(const std::string& sides, int ranks_per_node = 1) {
  CommunicatorOptions options = test::patient();
  options.ranks_per_node = ranks_per_node;
  options.network = parse_network("torus:" + sides);
  return options;
}

/// TUTTI_NETWORK while it lives.
class Described {
 public:
  explicit Described(const std::string& network) { setenv("TUTTI_NETWORK", network.c_str(), 1); }
  ~Described() { unsetenv("TUTTI_NETWORK"); }
  Described(const Described&) = delete;
  Described& operator=(const Described&) = delete;
};

CommunicatorOptions on_single_nodes() {
  CommunicatorOptions options = test::patient();
  options.ranks_per_node = 1;
  return options;
}

std::string refusal(const CommunicatorOptions& options) {
  try {
    const Communicator comm(MPI_COMM_WORLD, options);
  } catch (const InvalidArgument& error) {
    return error.what();
  }
  return "none";
}

/// bucket, and what is chosen, of every collective that has it.
void expect_right_results(const Communicator& comm) {
  for (const Collective collective : {Collective::allreduce, Collective::all_gather, Collective::reduce_scatter}) {
    const auto table = collective == Collective::allreduce ? allreduce_algorithms() : collective_algorithms();
    const Algorithm& bucket = *find_algorithm(table, collective, "bucket");
    Algorithm chosen = bucket;
    chosen.name = {};
    for (const Algorithm& algorithm : {bucket, chosen}) {
      for (const std::size_t count : {0, 1, 5, 64, 1237, 100000}) {
        for (const bool in_place : {false, true}) {
          for (const std::size_t segment_bytes : {0, 512}) {
            const test::Case c = {.algorithm = algorithm,
                                  .dtype = DType::bf16,
                                  .count = count,
                                  .segment_bytes = count > 5000 ? 0 : segment_bytes,
                                  .in_place = in_place};
            EXPECT_EQ(test::try_case(comm, c), "") << test::describe(c);
          }
        }
      }
    }
  }
}

TEST(Network, ToriGiveTheResultsOfEverywhere) {
  const int size = world_size();
  std::vector<std::string> tori = {std::to_string(size)};
  if (size == 4) tori = {"4", "2x2", "1x4"};
  if (size == 6) tori = {"6", "3x2", "2x3"};
  for (const std::string& torus : tori) {
    const Communicator comm(MPI_COMM_WORLD, on_torus(torus));
    ASSERT_EQ(comm.selection_facts().description.torus.text(), torus);
    expect_right_results(comm);
  }
}

TEST(Network, RanksOfANodeAreADimensionOfTheirOwn) {
  if (world_size() % 2 != 0) GTEST_SKIP() << "an odd number of ranks does not fill nodes of two";
  const Communicator comm(MPI_COMM_WORLD, on_torus(std::to_string(world_size() / 2), 2));
  expect_right_results(comm);
}

TEST(Network, ATorusOfOtherNodesIsRefusedOnEveryRank) {
  const std::string why = refusal(on_torus(std::to_string(world_size() + 1)));
  EXPECT_NE(why.find("options.network"), std::string::npos) << why;
  EXPECT_NE(why.find(std::to_string(world_size() + 1)), std::string::npos) << why;
}

TEST(Network, OptionsThatDescribeNothingAreRefused) {
  CommunicatorOptions options = on_single_nodes();
  options.network = NetworkDescription{};
  EXPECT_NE(refusal(options).find("options.network"), std::string::npos);
  options.network = on_torus(std::to_string(world_size())).network;
  options.network->hop = std::numeric_limits<double>::infinity();
  EXPECT_NE(refusal(options).find("a hop that is not a number"), std::string::npos);
}

TEST(Network, RanksMustBeToldTheSame) {
  if (world_size() < 2) GTEST_SKIP() << "needs two ranks";
  int rank = 0;
  MPI_Comm_rank(MPI_COMM_WORLD, &rank);
  CommunicatorOptions options = on_torus(std::to_string(world_size()));
  if (rank == 1) options.network->ports = 1;
  const std::string why = refusal(options);
  EXPECT_NE(why.find("the networks (options.network"), std::string::npos) << why;
  EXPECT_NE(why.find("rank 1"), std::string::npos) << why;
}

TEST(Network, TheEnvironmentDescribesCommunicatorsOfAllNodesOnly) {
  const std::string size = std::to_string(world_size());
  {
    const Described network("torus:" + size + ",ports:2");
    const Communicator comm(MPI_COMM_WORLD, on_single_nodes());
    EXPECT_EQ(to_text(comm.selection_facts().description), "torus:" + size + ",ports:2");
    const auto same = comm.split(0, comm.rank());
    EXPECT_EQ(to_text(same->selection_facts().description), "torus:" + size + ",ports:2");
    if (world_size() > 1) {
      const auto part = comm.split(comm.rank() == 0 ? 0 : 1, comm.rank());
      EXPECT_EQ(to_text(part->selection_facts().description), "");
    }
  }
  const Described network("torus:" + std::to_string(world_size() + 1));
  const Communicator comm(MPI_COMM_WORLD, on_single_nodes());
  EXPECT_EQ(to_text(comm.selection_facts().description), "");
}

TEST(Network, AWrongVariableIsRefusedByName) {
  const Described network("torus:4x");
  const std::string why = refusal(on_single_nodes());
  EXPECT_NE(why.find("TUTTI_NETWORK"), std::string::npos) << why;
  EXPECT_NE(why.find("'4x'"), std::string::npos) << why;
}

}  // namespace
}  // namespace tutti
