// `tutti doctor` as a user runs it: alone, on several ranks, with limits and variables that it must find, and with a
// rank that does not answer.
#include <gtest/gtest.h>

#include <chrono>
#include <cstdlib>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "tests/support/variable.hpp"
#include "tests/tools/program.hpp"

namespace {

using tools_test::has;
using tools_test::on_ranks;
using tools_test::Outcome;
using tools_test::run;
using tools_test::tutti;
using tutti::test::Variable;

/// The first finding of a check in what `--json` printed.
nlohmann::json finding(const Outcome& outcome, const std::string& check) {
  const auto all = nlohmann::json::parse(outcome.out);
  for (const auto& found : all.at("findings")) {
    if (found.at("check") == check) return found;
  }
  ADD_FAILURE() << "no finding of " << check << " in " << outcome.out;
  return {};
}

/// Whether the exit status is what the last line, or the JSON, says. The machine of the test may have problems of its
/// own.
bool tells_the_truth(const Outcome& outcome) {
  const bool has_none = has(outcome.out, "\n0 problems, ") || has(outcome.out, "\n \"problems\": 0,");
  return outcome.status == (has_none ? 0 : 1);
}

/// The program with limits of the shell: `ulimit` options.
Outcome limited(const std::string& limits, const std::string& command) {
  return run({"/bin/sh", "-c", "ulimit " + limits + " && exec " + command});
}

const std::string kDoctor = std::string(tutti::test::kTutti) + " doctor";

TEST(Doctor, RunsAlone) {
  const auto outcome = tutti({"doctor"});
  EXPECT_TRUE(tells_the_truth(outcome)) << outcome.status << outcome.out << outcome.err;
  EXPECT_EQ(outcome.err, "");
  EXPECT_TRUE(has(outcome.out, "cores          1 rank on ")) << outcome.out;
  EXPECT_TRUE(has(outcome.out, "shared_memory  one rank here")) << outcome.out;
  EXPECT_TRUE(has(outcome.out, "communicator   1 rank on 1 host")) << outcome.out;
}

TEST(Doctor, MergesRanksAndPrintsTheirFacts) {
  const auto outcome = on_ranks(3, {"doctor", "--json"});
  EXPECT_TRUE(tells_the_truth(outcome)) << outcome.status << outcome.out << outcome.err;
  const auto all = nlohmann::json::parse(outcome.out);
  ASSERT_EQ(all.at("ranks").size(), 3U);
  for (int rank = 0; rank < 3; ++rank) {
    const auto& facts = all.at("ranks").at(rank);
    EXPECT_EQ(facts.at("rank"), rank);
    EXPECT_EQ(facts.at("launched"), true);
    EXPECT_EQ(facts.at("peer_files"), "");
    EXPECT_EQ(facts.at("shares_memory"), true);
    EXPECT_TRUE(facts.at("cma").is_string());
    EXPECT_EQ(facts.at("tutti_version"), TUTTI_PROJECT_VERSION);
  }
  EXPECT_EQ(finding(outcome, "shared_memory").at("found"), "ranks use each other's memory");
  EXPECT_EQ(finding(outcome, "agreement").at("status"), "ok");
  EXPECT_EQ(finding(outcome, "communicator").at("found"), "3 ranks on 1 host");
}

TEST(Doctor, FindsLimitsThatAreTooLow) {
  const auto few = limited("-n 100", kDoctor);
  EXPECT_EQ(few.status, 1);
  EXPECT_TRUE(has(few.out, "problem  descriptors    100 descriptors: ")) << few.out << few.err;
  EXPECT_TRUE(has(few.out, "; remedy: ulimit -n 4096\n")) << few.out;
  EXPECT_EQ(few.err, "");

  const auto small = limited("-f 100000", kDoctor + " --json");
  EXPECT_TRUE(tells_the_truth(small)) << small.out << small.err;
  EXPECT_EQ(finding(small, "limits").at("status"), "warning") << small.out;
}

TEST(Doctor, SaysWhyMemoryIsNotShared) {
  const Variable off("TUTTI_SHARED_MEMORY", "0");
  const auto outcome = on_ranks(2, {"doctor"});
  EXPECT_TRUE(tells_the_truth(outcome)) << outcome.out << outcome.err;
  EXPECT_TRUE(has(outcome.out, "warning  shared_memory  ranks of this host exchange messages: TUTTI_SHARED_MEMORY=0"))
      << outcome.out;
}

TEST(Doctor, FindsVariables) {
  const Variable near_miss("TUTTI_TUNNING", "x.json");
  const Variable components("OMPI_MCA_btl", "self,tcp");
  const auto outcome = on_ranks(2, {"doctor", "--json"});
  EXPECT_TRUE(tells_the_truth(outcome)) << outcome.out << outcome.err;
  EXPECT_EQ(finding(outcome, "variables").at("remedy"), "did you mean TUTTI_TUNING?");
  // The second one says something to Open MPI alone.
  const auto library = nlohmann::json::parse(outcome.out).at("ranks").at(0).at("mpi_library").get<std::string>();
  EXPECT_EQ(finding(outcome, "contradictions").at("status"), library.starts_with("Open MPI") ? "warning" : "ok");
}

TEST(Doctor, OutlivesACommunicatorThatCannotBeMade) {
  const Variable wrong("TUTTI_SHARED_MEMORY", "perhaps");
  const auto outcome = on_ranks(2, {"doctor"});
  EXPECT_EQ(outcome.status, 1) << outcome.err;
  EXPECT_TRUE(has(outcome.out, "problem  communicator   none can be made: ")) << outcome.out << outcome.err;
  EXPECT_TRUE(has(outcome.out, "'perhaps' is not 0 or 1")) << outcome.out;
}

TEST(Doctor, NamesRanksThatDoNotAnswer) {
  // A rank that is in MPI, and in another program.
  const auto start = std::chrono::steady_clock::now();
  const auto outcome = run({tutti::test::kMpirun, "-n", "2", tutti::test::kTutti, "doctor", "--limit", "1", ":", "-n",
                            "1", tutti::test::kTutti, "info"});
  EXPECT_NE(outcome.status, 0);
  EXPECT_TRUE(has(outcome.err, "tutti: error: doctor: rank 2 did not answer rank 0 within 1 s")) << outcome.err;
  EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(30));
}

TEST(Doctor, EndsWhereMpiDoesNot) {
  // Of the other rank MPI_Init waits for a word that never comes.
  const auto start = std::chrono::steady_clock::now();
  const auto outcome = run({tutti::test::kMpirun, "-n", "1", tutti::test::kTutti, "doctor", "--limit", "0.5", ":", "-n",
                            "1", "/bin/sleep", "40"});
  EXPECT_NE(outcome.status, 0);
  EXPECT_TRUE(has(outcome.err, "tutti: error: doctor: no end of MPI_Init within the limit\n")) << outcome.err;
  EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(30));
}

TEST(Doctor, Misuse) {
  EXPECT_EQ(tutti({"doctor", "--limit", "0"}).status, 2);
  EXPECT_EQ(tutti({"doctor", "now"}).status, 2);
}

}  // namespace
