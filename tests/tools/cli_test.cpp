// The program `tutti` as a user runs it: what it prints, its exit status, and the JSON that it writes.
#include <gtest/gtest.h>

#include <cctype>
#include <cstdlib>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <set>
#include <sstream>
#include <string>
#include <vector>

#include "tests/tools/program.hpp"

namespace {

using tools_test::count_of;
using tools_test::has;
using tools_test::on_ranks;
using tools_test::read_file;
using tools_test::TemporaryFolder;
using tools_test::tutti;

TEST(Cli, VersionAndHelp) {
  const auto version = tutti({"--version"});
  EXPECT_EQ(version.status, 0);
  EXPECT_EQ(version.out, "tutti " TUTTI_PROJECT_VERSION "\n");
  const auto help = tutti({"--help"});
  EXPECT_EQ(help.status, 0);
  for (const std::string command :
       {"train", "models", "export", "perf", "explain", "tune", "compress", "report", "info", "doctor"}) {
    EXPECT_TRUE(has(help.out, "\n  " + command + " ")) << help.out;
    if (command == "train" || command == "models" || command == "export") continue;  // the trainer's own help
    const auto of_command = tutti({command, "--help"});
    EXPECT_EQ(of_command.status, 0) << command;
    EXPECT_TRUE(has(of_command.out, "Usage: tutti " + command)) << of_command.out;
  }
}

/// Help has one style: sentences begin in capitals, and what a value is has a name that says so.
void expect_style(const std::string& help) {
  for (const char* nameless : {"TEXT", "UINT", "REQUIRED", "SUBCOMMAND"}) {
    EXPECT_FALSE(has(help, nameless)) << help;
  }
  std::istringstream lines(help);
  bool lists = false;
  for (std::string line; std::getline(lines, line);) {
    const bool begins = !line.empty() && line[0] != ' ';
    if (begins) lists = line == "Options:" || line == "Positionals:" || line == "Subcommands:";
    if (!lists || begins) continue;
    const std::size_t gap = line.find("  ", line.find_first_not_of(' ') == 2 ? 2 : 0);
    const std::size_t at = gap == std::string::npos ? gap : line.find_first_not_of(' ', gap);
    const bool is_list = line.rfind("  COLLECTIVE", 0) == 0 || has(line, " allreduce, ");
    if (at != std::string::npos && !is_list) {
      EXPECT_FALSE(std::islower(static_cast<unsigned char>(line[at]))) << line;
    }
  }
}

TEST(Cli, HelpHasOneStyle) {
  const std::vector<std::vector<std::string>> commands = {{},
                                                          {"perf"},
                                                          {"explain"},
                                                          {"explain", "compression"},
                                                          {"tune"},
                                                          {"compress"},
                                                          {"report"},
                                                          {"ps"},
                                                          {"trace"},
                                                          {"info"},
                                                          {"doctor"},
                                                          {"data"},
                                                          {"data", "import"},
                                                          {"data", "check"},
                                                          {"data", "speed"},
                                                          {"train"}};
  for (std::vector<std::string> command : commands) {
    command.emplace_back("--help");
    const auto outcome = tutti(command);
    if (outcome.status == 0) expect_style(outcome.out);
  }
  EXPECT_TRUE(has(tutti({"trace", "--help"}).out, "Usage: tutti trace [OPTIONS] --out FILE PART...\n"));
}

#if TUTTI_HAVE_PRELOAD
TEST(Cli, PreloadBecomesTheProgram) {
  EXPECT_TRUE(has(tutti({"preload", "--help"}).out, "Usage: tutti preload"));
  const std::string print = R"(printf '%s|' "$LD_PRELOAD" "$0" "$@"; exit 3)";
  const auto outcome = tutti({"preload", "sh", "-c", print, "name", "--help", "a b", "-n"});
  EXPECT_EQ(outcome.status, 3) << outcome.err;
  EXPECT_EQ(outcome.out, std::string(tutti::test::kPreloadLibrary) + "|name|--help|a b|-n|");
  // What is preloaded already stays, behind.
  const auto twice = tutti({"preload", tutti::test::kTutti, "preload", "sh", "-c", print, "name"});
  EXPECT_EQ(twice.out, std::string(tutti::test::kPreloadLibrary) + ":" + tutti::test::kPreloadLibrary + "|name|");
}

TEST(Cli, PreloadWithoutAProgramIsOneClearLine) {
  const auto none = tutti({"preload"});
  EXPECT_EQ(none.status, 1);
  EXPECT_EQ(none.err, "tutti: error: preload: name the program to run\n");
  const auto missing = tutti({"preload", "/nonexistent/program"});
  EXPECT_EQ(missing.status, 1);
  EXPECT_EQ(missing.err, "tutti: error: preload: cannot start /nonexistent/program: No such file or directory\n");
}
#endif

struct Misuse {
  std::vector<std::string> arguments;
  int status;
  std::string message;
};

TEST(Cli, MisuseIsOneClearLine) {
  const Misuse misuses[] = {
      {{}, 2, "tutti: error: a command is required: train, "},
      {{"prf"}, 2, "tutti: error: unknown command 'prf'; did you mean 'perf'? (see `tutti --help`)\n"},
      {{"--bogus"}, 2, "tutti: error: unknown option '--bogus' (see `tutti --help`)\n"},
      {{"trace", "--ot", "x"},
       2,
       "tutti: error: trace: unknown option '--ot'; did you mean '--out'? (see `tutti trace --help`)\n"},
      {{"trace", "x"}, 2, "tutti: error: trace: --out is required (see `tutti trace --help`)\n"},
      {{"perf", "allreduce", "more"}, 2, "tutti: error: perf: unexpected argument 'more' (see `tutti perf --help`)\n"},
      {{"conduct"}, 2, "tutti: error: unknown command 'conduct' (see `tutti --help`)\n"},
      {{"explain", "allreduce"},
       1,
       "tutti: error: explain: --ranks is required, or a launcher: mpirun -n N tutti explain\n"},
      {{"explain", "allreduce", "--table", "--ranks", "4", "--draw", "x.svg"},
       2,
       "tutti: error: explain: --table excludes --draw (see `tutti explain --help`)\n"},
      {{"explain", "allreduce", "--ranks", "4", "--tuning", "/nonexistent/t.json"},
       1,
       "tutti: error: cannot read tuning file /nonexistent/t.json\n"},
      {{"explain", "allreduce", "--ranks", "4", "--network", "donut:3"},
       1,
       "tutti: error: unknown network item 'donut:3'; use torus:8x8x4[,ports:2][,hop:1e-7]\n"},
      {{"explain", "allreduce", "--one-node"},
       1,
       "tutti: error: explain: --ranks-per-node, --network, --class and --one-node go with --ranks only\n"},
      {{"explain", "allreduce", "--ranks", "4", "--view", "matrix"},
       1,
       "tutti: error: explain: --rank, --rounds and --view go with --draw only\n"},
      {{"explain", "--ranks", "4"}, 1, "tutti: error: explain: name a collective, or ask for --table\n"},
      {{"explain", "allreduse", "--ranks", "4"},
       1,
       "tutti: error: explain: unknown collective 'allreduse'; did you mean 'allreduce'?\n"},
      {{"explain", "allreduce", "--ranks", "1"}, 1, "tutti: error: explain: --ranks 1 is less than 2\n"},
      {{"explain", "allreduce", "--ranks", "4", "--radix", "5"},
       1,
       "tutti: error: explain: --radix 5 is out of range: with 4 ranks it must be 2 to 4\n"},
      {{"explain", "allreduce", "--ranks", "4", "--algorithm", "snail"},
       1,
       "tutti: error: explain: unknown allreduce algorithm 'snail'; known are ring, two_way_ring, recursive_doubling, "
       "halving_doubling, circulant, swing, bucket, knomial, double_tree, hierarchical\n"},
      {{"perf", "allreduce", "--mim", "8"},
       2,
       "tutti: error: perf: unknown option '--mim'; did you mean '--min'? (see `tutti perf --help`)\n"},
      {{"perf"}, 2, "tutti: error: perf: collective is required (see `tutti perf --help`)\n"},
      {{"perf", "allreduce", "--min", "8Q"},
       1,
       "tutti: error: perf: --min: '8Q' is not a size; write bytes as digits with an optional K, M or G\n"},
      {{"perf", "allreduce", "--min", "2K", "--max", "1K"},
       1,
       "tutti: error: perf: --min 2K is larger than --max 1K\n"},
      {{"perf", "allreduce", "--root", "0"}, 1, "tutti: error: perf: allreduce takes no --root\n"},
      {{"perf", "broadcast", "--op", "sum"}, 1, "tutti: error: perf: broadcast takes no --op\n"},
      {{"perf", "all_to_all_v", "--in-place"}, 1, "tutti: error: perf: all_to_all_v has no --in-place\n"},
      {{"perf", "barrier", "--in-place"}, 1, "tutti: error: perf: barrier has no --in-place\n"},
      {{"perf", "barrier", "--algorithm", "ring"}, 1, "tutti: error: perf: barrier has no --algorithm\n"},
      {{"perf", "allreduce", "--batch", "4", "--nonblocking"},
       1,
       "tutti: error: perf: --batch does not go with --nonblocking\n"},
      {{"perf", "allreduce", "--sizes", "8,1K,1024"}, 1, "tutti: error: perf: --sizes must rise: 1K follows 1K\n"},
      {{"perf", "allreduce", "--sizes", "0"}, 1, "tutti: error: perf: --sizes must be at least 1\n"},
      {{"perf", "allreduce", "--test-interval", "5"},
       1,
       "tutti: error: perf: --test-interval goes with --nonblocking only\n"},
      {{"perf", "allreduce", "--op", "bit_and"}, 1, "tutti: error: perf: --op bit_and does not go with --dtype f32\n"},
      {{"report", "/nonexistent/run"}, 1, "tutti: error: report: there is no folder or file /nonexistent/run\n"},
  };
  for (const auto& misuse : misuses) {
    const auto outcome = tutti(misuse.arguments);
    EXPECT_EQ(outcome.status, misuse.status) << misuse.message;
    EXPECT_EQ(outcome.err.rfind(misuse.message, 0), 0U) << outcome.err;  // one that goes on ends in no full line
    if (misuse.message.back() == '\n') {
      EXPECT_EQ(outcome.err, misuse.message);
    }
    EXPECT_EQ(count_of(outcome.err, "\n"), 1U) << outcome.err;
    EXPECT_EQ(outcome.out, "");
  }
}

// What is not known is told before what is missing, with the command that has the help.
TEST(Cli, MisspellingsOfCommandsBelowAreNamed) {
  const std::string commands = tutti({"--help"}).out;
  const auto said = [](const std::vector<std::string>& arguments) {
    const auto outcome = tutti(arguments);
    EXPECT_EQ(outcome.status, 2);
    return outcome.err;
  };
  if (has(commands, "\n  data ")) {
    EXPECT_EQ(said({"data", "chek", "D"}),
              "tutti: error: data: unknown command 'chek'; did you mean 'check'? (see `tutti data --help`)\n");
    EXPECT_EQ(said({"data"}),
              "tutti: error: data: a command is required: import, check, split, speed, stage, show (see `tutti data "
              "--help`)\n");
    EXPECT_EQ(said({"data", "import", "idx", "--imges", "a"}),
              "tutti: error: data import idx: unknown option '--imges'; did you mean '--images'? (see `tutti data "
              "import idx --help`)\n");
    EXPECT_EQ(said({"data", "show", "--x"}),
              "tutti: error: data show: unknown option '--x' (see `tutti data show --help`)\n");
  }
  if (tutti({"train", "--help"}).status != 0) GTEST_SKIP() << "this build has no trainer";
  EXPECT_EQ(said({"train", "--sett", "a=b"}),
            "tutti: error: unknown option '--sett'; did you mean '--set'? (see `tutti train --help`)\n");
  EXPECT_EQ(said({"train"}), "tutti: error: config is required (see `tutti train --help`)\n");
  // A configuration may come through a pipe: here nothing does.
  const auto piped = tutti({"train", "-"});
  EXPECT_EQ(piped.status, 2);
  EXPECT_TRUE(has(piped.err, "tutti: error: standard input: ")) << piped.err;
}

TEST(Cli, UnknownCollectivesAndTypesAreNamed) {
  const auto collective = tutti({"perf", "allredce"});
  EXPECT_EQ(collective.status, 1);
  EXPECT_TRUE(has(collective.err, "unknown collective 'allredce'; did you mean 'allreduce'?")) << collective.err;
  const auto dtype = tutti({"perf", "allreduce", "--dtype", "f31"});
  EXPECT_EQ(dtype.status, 1);
  EXPECT_TRUE(has(dtype.err, "f31")) << dtype.err;
}

TEST(Cli, TrainHandsOverOrSaysWhatIsMissing) {
  const auto outcome = tutti({"train", "/nonexistent/config.toml"});
  EXPECT_NE(outcome.status, 0);
  EXPECT_EQ(outcome.err.rfind("tutti: error: ", 0), 0U) << outcome.err;
  EXPECT_EQ(count_of(outcome.err, "\n"), 1U) << outcome.err;
}

TEST(Cli, Info) {
  const auto outcome = on_ranks(3, {"info", "--json"});
  ASSERT_EQ(outcome.status, 0) << outcome.err;
  const auto info = nlohmann::json::parse(outcome.out);
  EXPECT_EQ(info.at("version"), TUTTI_PROJECT_VERSION);
  EXPECT_EQ(info.at("ranks"), 3);
  EXPECT_EQ(info.at("places").size(), 3U);
  EXPECT_EQ(info.at("places").at(2).at("local_rank"), 2);
  EXPECT_FALSE(info.at("mpi_library").get<std::string>().empty());
}

TEST(Explain, SaysWhetherTwoLevelsRun) {
  const std::vector<std::string> call = {"explain", "allreduce", "--ranks", "64", "--class", "rdma"};
  const auto with = [&](std::vector<std::string> more) {
    more.insert(more.begin(), call.begin(), call.end());
    return tutti(more);
  };
  const auto two = with({"--ranks-per-node", "8", "--bytes", "64K"});
  EXPECT_EQ(two.status, 0) << two.err;
  EXPECT_TRUE(has(two.out, "Chosen: hierarchical. Two levels are predicted to take ")) << two.out;
  EXPECT_FALSE(has(with({"--bytes", "64K"}).out, "hierarchical"));
  EXPECT_FALSE(has(with({"--ranks-per-node", "64"}).out, "hierarchical"));  // one node
  const auto all = nlohmann::json::parse(with({"--ranks-per-node", "8", "--json"}).out);
  EXPECT_GT(all.at("hierarchical").at("seconds").get<double>(), 0.0);
  const auto wrong = with({"--ranks-per-node", "65"});
  EXPECT_NE(wrong.status, 0);
  EXPECT_TRUE(has(wrong.err, "--ranks-per-node 65 is out of range: it must be 1 to 64")) << wrong.err;
}

TEST(Explain, TakesANetworkThatIsKnown) {
  const auto on = [](const std::string& ranks, std::vector<std::string> more) {
    more.insert(more.begin(), {"explain", "allreduce", "--class", "rdma", "--bytes", "1M", "--ranks", ranks});
    return tutti(more);
  };
  const auto known = on("60", {"--network", "torus:5x4x3,hop:1e-07"});
  EXPECT_TRUE(has(known.out, "\ncost model: built-in constants for RDMA, torus:5x4x3,hop:1e-07\n"))
      << known.out << known.err;
  EXPECT_TRUE(has(known.out, " bucket ")) << known.out;
  EXPECT_NE(known.out, on("60", {}).out);
  EXPECT_FALSE(has(on("60", {"--network", "torus:5x4x3", "--one-node"}).out, "torus"));
  EXPECT_EQ(on("120", {"--network", "torus:5x4x3", "--ranks-per-node", "2"}).status, 0);

  const auto other = on("61", {"--network", "torus:5x4x3"});
  EXPECT_EQ(other.status, 1);
  EXPECT_TRUE(has(other.err, "--network describes 60 nodes, but --ranks 61 needs 61")) << other.err;
  EXPECT_TRUE(has(on("60", {"--network", "torus:5x4y3"}).err, "'5x4y3' is not 1 to 6 sides"));

  // The variable is for all programs of a job: as for a communicator, it says nothing of other numbers of nodes.
  setenv("TUTTI_NETWORK", "torus:5x4x3,hop:1e-07", 1);
  EXPECT_EQ(on("60", {}).out, known.out);
  EXPECT_EQ(on("61", {}).status, 0);
  EXPECT_FALSE(has(on("61", {}).out, "torus"));
  unsetenv("TUTTI_NETWORK");
}

TEST(Explain, NamesTheWinnerAndWhy) {
  const auto outcome = tutti({"explain", "allreduce", "--ranks", "64", "--bytes", "1M", "--class", "rdma"});
  ASSERT_EQ(outcome.status, 0) << outcome.err;
  EXPECT_TRUE(
      has(outcome.out,
          "allreduce of 1M bytes on 64 ranks: 64 nodes, 1 rank each\ncost model: built-in constants for RDMA\n"))
      << outcome.out;
  EXPECT_TRUE(has(outcome.out, "\nChosen: ")) << outcome.out;
  for (const char* algorithm : {"ring", "recursive_doubling", "circulant", "double_tree"}) {
    EXPECT_TRUE(has(outcome.out, algorithm)) << outcome.out;
  }
}

TEST(Explain, SaysWhichCostsAndWhereFrom) {
  const auto explain = [](std::vector<std::string> more) {
    more.insert(more.begin(), {"explain", "allreduce", "--ranks", "4", "--bytes", "64K"});
    const auto outcome = tutti(more);
    EXPECT_EQ(outcome.status, 0) << outcome.err;
    return outcome.out;
  };
  EXPECT_TRUE(has(explain({"--class", "tcp"}), "\ncost model: built-in constants for TCP\n"))
      << explain({"--class", "tcp"});
  EXPECT_TRUE(has(explain({"--class", "shared-memory"}), "\ncost model: built-in constants for shared memory\n"));
  EXPECT_EQ(explain({"--class", "shared-memory"}), explain({"--one-node"}));
  EXPECT_TRUE(has(explain({}), " (this machine's network)\n")) << explain({});
  // One that the command line names has to be readable; that of the environment is refused as in a communicator.
  const TemporaryFolder folder;
  const auto file = folder.write("bad.json", "{\n\"format\": 3}\n").string();
  const auto damaged = tutti({"explain", "allreduce", "--ranks", "4", "--tuning", file});
  EXPECT_EQ(damaged.status, 1);
  EXPECT_EQ(damaged.err, "tutti: error: " + file + ":2: \"format\" is 3, not a string\n");
  setenv("TUTTI_TUNING", file.c_str(), 1);
  const std::string refused = explain({"--class", "tcp"});
  unsetenv("TUTTI_TUNING");
  EXPECT_EQ(refused.rfind("tuning file refused: " + file + ":2: \"format\" is 3, not a string\n", 0), 0U) << refused;
  EXPECT_TRUE(has(refused, "\ncost model: built-in constants for TCP\n")) << refused;
}

TEST(Tune, WritesAFileThatIsAcceptedAndChangesPredictions) {
  const TemporaryFolder folder;
  const std::string file = (folder.path() / "tuning.json").string();
  const auto tuned = on_ranks(2, {"tune", "--out", file, "--force"});
  ASSERT_EQ(tuned.status, 0) << tuned.err;
  EXPECT_TRUE(has(tuned.out, "node     latency")) << tuned.out;
  EXPECT_TRUE(has(tuned.out, "network  not measured")) << tuned.out;
  EXPECT_TRUE(has(tuned.out, "\nallreduce        8  ")) << tuned.out;  // verified
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(folder.path()), {}), 1) << "something lies beside it";
  const auto content = nlohmann::json::parse(read_file(file));
  EXPECT_EQ(content.at("node").at("measured"), true);
  EXPECT_EQ(content.at("network").at("measured"), false);
  for (const char* cost : {"overhead", "byte", "reduce", "copy"}) {
    EXPECT_GT(content.at("node").at(cost), 0) << cost;
    EXPECT_LT(content.at("node").at(cost), 0.1) << cost;
  }

  const auto seconds = [&](const std::vector<std::string>& more) {
    std::vector<std::string> arguments = {"explain", "allreduce", "--ranks",    "2",
                                          "--bytes", "1M",        "--one-node", "--json"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    const auto all = nlohmann::json::parse(tutti(arguments).out);
    EXPECT_EQ(all.at("tuning_refused"), "");
    EXPECT_EQ(all.at("costs_from"), more.empty() ? "built-in constants" : "the tuning file");
    return all.at("candidates").at(0).at("seconds").get<double>();
  };
  EXPECT_NE(seconds({}), seconds({"--tuning", file}));

  setenv("TUTTI_TUNING", file.c_str(), 1);
  const auto info = on_ranks(2, {"info", "--json"});
  unsetenv("TUTTI_TUNING");
  ASSERT_EQ(info.status, 0) << info.err;
  EXPECT_EQ(info.err, "");
  const auto facts = nlohmann::json::parse(info.out);
  EXPECT_EQ(facts.at("costs_from"), "the tuning file");
  EXPECT_EQ(facts.at("choice_digest").get<std::string>().size(), 16U);
  EXPECT_NE(facts.at("choice_digest"), nlohmann::json::parse(on_ranks(2, {"info", "--json"}).out).at("choice_digest"));
}

TEST(Tune, RefusesWhatItCannotDo) {
  const auto alone = tutti({"tune", "--json"});
  EXPECT_EQ(alone.status, 1);
  EXPECT_EQ(alone.err,
            "tutti: error: tune: one rank has nothing to measure: start two or more, mpirun -n 2 tutti tune\n");
  const auto nowhere = on_ranks(2, {"tune", "--out", "/nonexistent/t.json"});
  EXPECT_EQ(nowhere.status, 1);
  EXPECT_TRUE(
      has(nowhere.err, "tutti: error: tune: --out /nonexistent/t.json: cannot be written: No such file or directory\n"))
      << nowhere.err;
  EXPECT_EQ(tutti({"tune"}).status, 1);
}

TEST(Communicators, WarnOfATuningFileThatIsRefusedAndGoOn) {
  const TemporaryFolder folder;
  const auto file = folder.write("bad.json", "{\"format\": \"tutti tuning\",\n \"version\": 7}\n").string();
  setenv("TUTTI_TUNING", file.c_str(), 1);
  const auto outcome = on_ranks(2, {"info"});
  unsetenv("TUTTI_TUNING");
  EXPECT_EQ(outcome.status, 0) << outcome.err;
  const std::string why = file + ":2: \"version\" is 7, not 1";
  EXPECT_EQ(outcome.err, "tutti: warning: " + why + "; built-in constants are used\n");
  EXPECT_TRUE(has(outcome.out, "built-in constants, " + file + " refused: " + why)) << outcome.out;
}

TEST(Explain, TellsWhatDecides) {
  const auto said = [](const std::vector<std::string>& more) {
    std::vector<std::string> arguments = {"explain", "reduce", "--ranks", "16", "--class", "rdma", "--bytes"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    const auto outcome = tutti(arguments);
    EXPECT_EQ(outcome.status, 0) << outcome.err;
    return outcome.out;
  };
  EXPECT_TRUE(has(said({"256K"}), "within 8% the fewest messages per rank win: ")) << said({"256K"});
  EXPECT_TRUE(has(said({"256K", "--algorithm", "knomial", "--radix", "2"}), " There is no other algorithm."))
      << said({"256K"});
  EXPECT_TRUE(has(said({"8"}), ". Against ")) << said({"8"});
}

TEST(Explain, PrintsEveryCandidateAsJson) {
  const auto outcome = tutti({"explain", "broadcast", "--ranks", "12", "--bytes", "64K", "--class", "rdma", "--json"});
  ASSERT_EQ(outcome.status, 0) << outcome.err;
  const auto all = nlohmann::json::parse(outcome.out);
  EXPECT_EQ(all.at("bytes"), 65536);
  const auto& candidates = all.at("candidates");
  ASSERT_GT(candidates.size(), 8U);
  for (std::size_t i = 0; i < candidates.size(); ++i) {
    const nlohmann::json& its = candidates[i];
    const double parts = its.at("latency_seconds").get<double>() + its.at("overhead_seconds").get<double>() +
                         its.at("transfer_seconds").get<double>() + its.at("local_seconds").get<double>();
    EXPECT_NEAR(its.at("seconds").get<double>(), parts, 1e-12);
    if (i > 0) {
      EXPECT_GE(its.at("seconds"), candidates[i - 1].at("seconds"));
    }
  }
}

TEST(Explain, TableIsCountedFromTheSchedules) {
  const auto outcome = tutti({"explain", "--table", "--ranks", "8", "allreduce"});
  ASSERT_EQ(outcome.status, 0) << outcome.err;
  EXPECT_TRUE(has(outcome.out, "ring                     -      14        14     1.750 n   0.88 n")) << outcome.out;
  EXPECT_TRUE(has(outcome.out, "halving_doubling         2       6         6     1.750 n   0.88 n")) << outcome.out;
}

TEST(Explain, KnowsWhatPerfMeasures) {
  const std::string help = tutti({"perf", "--help"}).out;
  for (const char* name : {"all_gather_v", "reduce_scatter_v", "gather_v", "scatter_v", "all_to_all_v", "barrier"}) {
    EXPECT_TRUE(has(help, name)) << help;
    const auto outcome = tutti({"explain", name, "--ranks", "8"});
    EXPECT_EQ(outcome.status, 0) << outcome.err;
    EXPECT_EQ(outcome.out.rfind(name, 0), 0U) << outcome.out;
    EXPECT_FALSE(has(outcome.out, "bruck")) << outcome.out;  // which needs blocks of one size
  }
  EXPECT_EQ(tutti({"explain", "MPI_Allgather", "--ranks", "8"}).out,
            tutti({"explain", "all_gather", "--ranks", "8"}).out);
}

TEST(Explain, SortsByTimeAndMarksWhatRuns) {
  const auto outcome = tutti({"explain", "allreduce", "--ranks", "64", "--class", "tcp", "--json"});
  const auto all = nlohmann::json::parse(outcome.out);
  const std::string winner = all.at("candidates").at(0).at("algorithm");
  const auto table = tutti({"explain", "allreduce", "--ranks", "64", "--class", "tcp"});
  EXPECT_TRUE(has(table.out, "\n* " + winner + " ")) << table.out;
  EXPECT_EQ(count_of(table.out, "\n* "), 1U) << table.out;
  // The fastest stands first, though something slower runs, and the sentence is of candidates that the table shows.
  const std::size_t header = table.out.find("  algorithm ");
  EXPECT_EQ(table.out.find("halving_doubling"), table.out.find('\n', header) + 3) << table.out;
  EXPECT_TRUE(has(table.out, "(halving_doubling, radix 8 is predicted ")) << table.out;
}

TEST(Explain, SaysWhatRunsInANodeAndByRules) {
  for (const char* collective : {"allreduce", "broadcast", "all_gather_v", "barrier"}) {
    const auto outcome = tutti({"explain", collective, "--ranks", "4", "--one-node"});
    EXPECT_TRUE(has(outcome.out, "Chosen: node memory. ")) << outcome.out;
  }
  EXPECT_FALSE(has(tutti({"explain", "all_to_all_v", "--ranks", "4", "--one-node"}).out, "node memory"));
  setenv("TUTTI_ALGORITHM", "allreduce:64K-:ring:segment=16K,allreduce:halving_doubling:radix=16", 1);
  const auto large = tutti({"explain", "allreduce", "--ranks", "4", "--bytes", "64K"});
  const auto small = tutti({"explain", "allreduce", "--ranks", "4", "--bytes", "32K"});
  unsetenv("TUTTI_ALGORITHM");
  EXPECT_TRUE(has(large.out, "Chosen: ring, by rule 'allreduce:64K-:ring:segment=16K' of TUTTI_ALGORITHM."))
      << large.out;
  EXPECT_TRUE(has(small.out, "is passed over: radix 16 is more than the 4 ranks")) << small.out;
}

TEST(Explain, OfLaunchedRanksTakesTheirNodes) {
  const auto outcome = on_ranks(3, {"explain", "allreduce", "--bytes", "8"});
  EXPECT_EQ(outcome.status, 0) << outcome.err;
  EXPECT_EQ(outcome.out.rfind("allreduce of 8 bytes on 3 ranks: 1 node, 3 ranks each, as launched\n", 0), 0U)
      << outcome.out;
  EXPECT_EQ(count_of(outcome.out, "Chosen: node memory"), 1U) << outcome.out;
  const auto wrong = on_ranks(2, {"explain", "allreduce", "--algorithm", "snail"});
  EXPECT_EQ(wrong.status, 1);
  EXPECT_EQ(count_of(wrong.err, "unknown allreduce algorithm 'snail'"), 1U) << wrong.err;
}

TEST(Explain, DrawsNothingThatCannotBeReadOrWritten) {
  const auto crowded =
      tutti({"explain", "barrier", "--ranks", "100", "--radix", "2", "--draw", "x.svg", "--view", "rounds"});
  EXPECT_EQ(crowded.status, 1);
  EXPECT_TRUE(has(crowded.err, "a picture of 100 ranks and 7 rounds is unreadable; the most is 64 of each"))
      << crowded.err;
  const auto nowhere = tutti({"explain", "barrier", "--ranks", "4", "--draw", "/nonexistent/x.svg"});
  EXPECT_EQ(nowhere.status, 1);
  EXPECT_EQ(nowhere.err, "tutti: error: explain: /nonexistent/x.svg: cannot be written: No such file or directory\n");
  const auto drawn = [](const char* option, const char* value) {
    return tutti({"explain", "barrier", "--ranks", "4", "--radix", "2", "--draw", "/dev/null", option, value}).err;
  };
  EXPECT_TRUE(has(drawn("--rank", "4"), "--rank 4 is out of range: ranks are 0 to 3")) << drawn("--rank", "4");
  EXPECT_TRUE(has(drawn("--rounds", "2-3"), "--rounds 2-3 is out of range: rounds are 1 to 2"));
  EXPECT_TRUE(has(drawn("--rounds", "x"), "--rounds 'x' is not a range; write A-B"));
}

/// The picture that `tutti explain` draws.
std::string drawn(std::vector<std::string> arguments) {
  const TemporaryFolder folder;
  const auto file = folder.path() / "x.svg";
  arguments.insert(arguments.begin(), {"explain"});
  arguments.insert(arguments.end(), {"--draw", file.string()});
  const auto outcome = tutti(arguments);
  EXPECT_EQ(outcome.status, 0) << outcome.err;
  return read_file(file);
}

TEST(Explain, DrawsWhatRuns) {
  const std::string svg =
      drawn({"allreduce", "--ranks", "7", "--bytes", "8", "--algorithm", "recursive_doubling", "--radix", "7"});
  EXPECT_EQ(count_of(svg, "<title>"), 42U);  // every rank to every other
  EXPECT_TRUE(has(svg, "rank 6 to rank 0")) << svg.substr(0, 2000);
  EXPECT_TRUE(has(svg, "</svg>"));
  // Two levels: halving and doubling in the nodes of 4, and between these.
  const std::string levels =
      drawn({"allreduce", "--ranks", "8", "--ranks-per-node", "4", "--bytes", "64K", "--class", "tcp"});
  EXPECT_TRUE(has(levels, ">hierarchical allreduce: 8 ranks on 2 nodes, 5 rounds")) << levels.substr(0, 600);
  EXPECT_TRUE(has(levels, ">across nodes: ")) << levels.substr(0, 600);
  EXPECT_EQ(count_of(levels, "marker-end"), 40U);
}

TEST(Explain, DrawsSomeRanksAndRoundsAndMatrices) {
  const std::vector<std::string> ring = {"all_gather", "--ranks", "6", "--algorithm", "ring"};
  const auto with = [&](std::vector<std::string> more) {
    more.insert(more.begin(), ring.begin(), ring.end());
    return drawn(more);
  };
  EXPECT_EQ(count_of(with({}), "marker-end"), 30U);
  EXPECT_EQ(count_of(with({"--rank", "2"}), "marker-end"), 10U);
  EXPECT_EQ(count_of(with({"--rounds", "2-3"}), "marker-end"), 12U);
  EXPECT_TRUE(has(with({"--rounds", "2-3"}), ">round 3<"));
  EXPECT_EQ(count_of(with({"--view", "matrix"}), "<title>"), 6U);  // a cell for each pair, whatever the rounds
  // Too many to be told apart as arrows.
  const std::string many = drawn({"all_to_all", "--ranks", "64", "--algorithm", "pairwise", "--radix", "64"});
  EXPECT_EQ(count_of(many, "<title>"), 64U * 63U);
  EXPECT_TRUE(has(many, "rows send, columns receive"));
  // However few rounds there are, the title and the legend fit.
  const std::string narrow = drawn({"broadcast", "--ranks", "3", "--algorithm", "knomial", "--radix", "3"});
  EXPECT_TRUE(has(narrow, "width=\"640\"")) << narrow.substr(0, 200);
}

TEST(Cli, ReportOfARun) {
  const TemporaryFolder folder;
  folder.write("metrics.jsonl",
               "{\"kind\":\"train\",\"step\":1,\"loss\":2.5}\n{\"kind\":\"train\",\"step\":2,\"loss\":1.5}\n");
  const auto outcome = tutti({"report", folder.path().string()});
  ASSERT_EQ(outcome.status, 0) << outcome.err;
  EXPECT_EQ(outcome.out, (folder.path() / "report.html").string() + "\n");
  EXPECT_TRUE(std::filesystem::exists(folder.path() / "report.html"));
}

}  // namespace
