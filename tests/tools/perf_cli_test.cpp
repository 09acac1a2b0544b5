// `tutti perf` as a user runs it: every collective, out of place and in place, at once and started.
#include <gtest/gtest.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <set>
#include <string>
#include <vector>

#include "tests/support/draw.hpp"
#include "tests/tools/program.hpp"

namespace {

using tools_test::count_of;
using tools_test::has;
using tools_test::on_ranks;
using tools_test::read_file;
using tools_test::TemporaryFolder;
using tools_test::tutti;

const std::set<std::string> kRooted = {"broadcast", "reduce", "gather", "scatter", "gather_v", "scatter_v"};
const std::vector<std::string> kInPlace = {"allreduce",    "broadcast",        "reduce",   "all_gather",
                                           "all_gather_v", "reduce_scatter",   "gather",   "scatter",
                                           "gather_v",     "reduce_scatter_v", "scatter_v"};
const std::vector<std::string> kOutOfPlaceOnly = {"all_to_all", "all_to_all_v", "barrier"};

/// `tutti perf` of a few small sizes; a rooted collective has root 1.
std::vector<std::string> small_perf(const std::string& collective, const std::vector<std::string>& more) {
  std::vector<std::string> arguments = {"perf",     collective, "--min",        "8", "--max",    "8K",
                                        "--factor", "32",       "--iterations", "5", "--warmup", "1"};
  if (kRooted.count(collective) > 0) arguments.insert(arguments.end(), {"--root", "1"});
  arguments.insert(arguments.end(), more.begin(), more.end());
  return arguments;
}

void expect_sound(const nlohmann::json& row, int ranks) {
  EXPECT_EQ(row.at("wrong"), 0) << row.dump();
  EXPECT_EQ(row.at("mpi_wrong"), 0) << row.dump();
  EXPECT_EQ(row.at("ranks"), ranks);
  EXPECT_EQ(row.at("nodes"), 1);
  EXPECT_EQ(row.at("iterations"), 5);
  EXPECT_GT(row.at("time_us_median").get<double>(), 0.0);
  EXPECT_GE(row.at("time_us_p99").get<double>(), row.at("time_us_median").get<double>());
  EXPECT_GT(row.at("mpi_time_us_median").get<double>(), 0.0);
  EXPECT_GT(row.at("limit_percent").get<double>(), 0.0);
  EXPECT_GT(row.at("limit_one_way_us").get<double>(), 0.0);
  EXPECT_GT(row.at("limit_exchange_gb_s").get<double>(), 0.0);
  EXPECT_GE(row.at("limit_one_sided_gb_s"), row.at("limit_exchange_gb_s"));
  for (const char* key : {"size_bytes", "count", "dtype", "op", "algorithm", "radix", "algbw_gb_s", "busbw_gb_s",
                          "buffers", "shared_memory"})
    EXPECT_TRUE(row.contains(key)) << key;
}

class Perf : public testing::TestWithParam<int> {};

TEST_P(Perf, WritesRightRows) {
  const int ranks = GetParam();
  const TemporaryFolder folder;
  auto collectives = kInPlace;
  collectives.insert(collectives.end(), kOutOfPlaceOnly.begin(), kOutOfPlaceOnly.end());
  for (const auto& collective : tutti::test::drawn(collectives, 4, static_cast<std::uint64_t>(ranks))) {
    const auto file = folder.path() / (collective + ".json");
    const auto outcome = on_ranks(ranks, small_perf(collective, {"--json", file.string()}));
    ASSERT_EQ(outcome.status, 0) << collective << ": " << outcome.err;
    EXPECT_TRUE(has(outcome.out, "# MPI library: ")) << outcome.out;
    EXPECT_TRUE(has(outcome.out, "# point to point: ")) << outcome.out;
    EXPECT_FALSE(has(outcome.out, "overlap")) << outcome.out;
    const auto rows = nlohmann::json::parse(read_file(file));
    ASSERT_EQ(rows.size(), collective == "barrier" ? 1U : 3U);
    for (const auto& row : rows) {
      EXPECT_EQ(row.at("collective"), collective);
      EXPECT_EQ(row.at("in_place"), collective == "broadcast");
      EXPECT_EQ(row.at("nonblocking"), false);
      EXPECT_TRUE(row.at("overlap").is_null());
      expect_sound(row, ranks);
    }
  }
}
INSTANTIATE_TEST_SUITE_P(Ranks, Perf, testing::Values(2, 3));

/// Started in place on the larger number of ranks, where the collective has that; `WritesRightRows` has the others.
TEST(PerfRun, StartedInPlace) {
  const TemporaryFolder folder;
  const auto file = folder.path() / "rows.json";
  for (const auto& collective : tutti::test::drawn(kInPlace, 4, 1)) {
    const auto outcome = on_ranks(
        3, small_perf(collective, {"--nonblocking", "--in-place", "--test-interval", "2", "--json", file.string()}));
    ASSERT_EQ(outcome.status, 0) << collective << ": " << outcome.err;
    for (const auto& row : nlohmann::json::parse(read_file(file))) {
      expect_sound(row, 3);
      EXPECT_EQ(row.at("in_place"), true);
      EXPECT_EQ(row.at("test_interval_us"), 2.0);
    }
  }
}

TEST(PerfRun, StartedHasOverlap) {
  const TemporaryFolder folder;
  const auto file = folder.path() / "rows.json";
  for (const std::string collective : {"allreduce", "all_to_all", "all_to_all_v", "barrier"}) {
    const auto outcome = on_ranks(2, small_perf(collective, {"--nonblocking", "--json", file.string()}));
    ASSERT_EQ(outcome.status, 0) << collective << ": " << outcome.err;
    EXPECT_TRUE(has(outcome.out, " overlap ")) << outcome.out;
    EXPECT_TRUE(has(outcome.out, " MPI ovl\n")) << outcome.out;
    for (const auto& row : nlohmann::json::parse(read_file(file))) {
      expect_sound(row, 2);
      EXPECT_EQ(row.at("nonblocking"), true);
      for (const std::string side : {"", "mpi_"}) {
        EXPECT_GT(row.at(side + "compute_us").get<double>(), 0.0);
        EXPECT_GT(row.at(side + "both_us").get<double>(), 0.0);
        EXPECT_GE(row.at(side + "overlap").get<double>(), 0.0);
        EXPECT_LE(row.at(side + "overlap").get<double>(), 1.0);
      }
    }
  }
}

TEST(PerfRun, InPlace) {
  for (const std::string collective : {"allreduce", "reduce_scatter", "gather", "scatter", "all_gather_v"}) {
    const auto outcome = on_ranks(3, small_perf(collective, {"--in-place", "--limits", "none"}));
    EXPECT_EQ(outcome.status, 0) << collective << ": " << outcome.err;  // a wrong element is a failure
    EXPECT_TRUE(has(outcome.out, ", in place, ")) << outcome.out;
  }
}

TEST(PerfRun, CsvAndOneRankWithoutLimit) {
  const TemporaryFolder folder;
  const auto file = folder.path() / "rows.csv";
  const auto outcome = tutti(small_perf("all_gather_v", {"--compare", "none", "--csv", file.string()}));
  ASSERT_EQ(outcome.status, 0) << outcome.err;
  EXPECT_FALSE(has(outcome.out, "MPI/tutti")) << outcome.out;
  EXPECT_FALSE(has(outcome.out, "# point to point")) << outcome.out;
  const std::string csv = read_file(file);
  EXPECT_EQ(csv.rfind("collective,size_bytes,count,dtype,", 0), 0U) << csv;
  EXPECT_TRUE(has(csv, "\nall_gather_v,256,64,f32,none,-1,false,false,,auto,0,0,5,1,")) << csv;
  EXPECT_EQ(count_of(csv, "\n"), 4U) << csv;
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(folder.path()), {}), 1) << "something lies beside it";
}

TEST(PerfRun, CodecBesideThePlainCall) {
  const TemporaryFolder folder;
  const auto file = folder.path() / "rows.json";
  const auto outcome = on_ranks(3, small_perf("allreduce", {"--codec", "bf16:feedback=on", "--json", file.string()}));
  ASSERT_EQ(outcome.status, 0) << outcome.err;
  EXPECT_TRUE(has(outcome.out, "\n# codec: bf16:feedback=on, in place, ")) << outcome.out;
  EXPECT_TRUE(has(outcome.out, " plain/codec\n")) << outcome.out;
  for (const auto& row : nlohmann::json::parse(read_file(file))) {
    expect_sound(row, 3);
    EXPECT_EQ(row.at("in_place"), true);
    EXPECT_EQ(row.at("codec"), "bf16:feedback=on");
    EXPECT_EQ(row.at("payload_bytes").get<double>(), row.at("size_bytes").get<double>() / 2);
    EXPECT_EQ(row.at("codec_wrong"), 0);
    EXPECT_GT(row.at("codec_time_us_median").get<double>(), 0.0);
  }
  const auto started = on_ranks(2, small_perf("allreduce", {"--codec", "f16", "--nonblocking", "--compare", "none"}));
  EXPECT_EQ(started.status, 0) << started.err;
  EXPECT_TRUE(has(started.out, " cdc ovl\n")) << started.out;
  EXPECT_EQ(tutti(small_perf("reduce", {"--codec", "f16"})).err, "tutti: error: perf: reduce has no --codec\n");
  EXPECT_EQ(tutti(small_perf("allreduce", {"--codec", "f16", "--op", "max"})).err,
            "tutti: error: perf: --codec goes with --dtype f32 and --op sum or avg only\n");
}

TEST(PerfRun, BuffersOfBothKinds) {
  for (const std::string kind : {"allocated", "any"}) {
    const TemporaryFolder folder;
    const auto file = folder.path() / "rows.json";
    const auto outcome =
        on_ranks(2, {"perf", "allreduce", "--min", "1K", "--max", "1M", "--factor", "1024", "--iterations", "3",
                     "--limits", "none", "--buffers", kind, "--json", file.string()});
    ASSERT_EQ(outcome.status, 0) << outcome.err;
    const std::string heading = ", " + kind + " memory";
    const bool reads = has(outcome.out, heading + " (CMA), ");
    EXPECT_TRUE(kind == "allocated" ? has(outcome.out, heading + ", ")
                                    : reads || has(outcome.out, heading + " (staged), "))
        << outcome.out;
    for (const auto& row : nlohmann::json::parse(read_file(file))) {
      EXPECT_EQ(row.at("buffers"), kind);
      EXPECT_TRUE(row.at("shared_memory"));
      EXPECT_TRUE(kind == "allocated" || row.at("cma") == reads);
      EXPECT_EQ(row.at("wrong"), 0);
    }
  }
}

/// More than a quarter of what two ranks' caches hold, in MiB, of which the kernel tells like this; 0 if it does not.
std::size_t megabytes_beyond_caches() {
  for (const char* index : {"3", "2"}) {
    const std::string size = read_file(std::string("/sys/devices/system/cpu/cpu0/cache/index") + index + "/size");
    if (!size.empty()) return std::stoul(size) / 1024 * 2 + 1;  // "32768K", perhaps two of them
  }
  return 0;
}

TEST(PerfRun, FloorOfWhatCachesCannotHold) {
  const std::size_t large = megabytes_beyond_caches();
  if (large == 0) GTEST_SKIP() << "the kernel does not tell of caches";
  const TemporaryFolder folder;
  const auto file = folder.path() / "rows.json";
  const auto outcome = on_ranks(2, {"perf", "allreduce", "--sizes", "1K," + std::to_string(large) + "M", "--limits",
                                    "memory", "--seconds", "0.1", "--json", file.string()});
  ASSERT_EQ(outcome.status, 0) << outcome.err;
  EXPECT_TRUE(has(outcome.out, "# memory: ")) << outcome.out;
  EXPECT_TRUE(has(outcome.out, " %floor ")) << outcome.out;
  EXPECT_FALSE(has(outcome.out, "# point to point: ")) << outcome.out;
  const auto rows = nlohmann::json::parse(read_file(file));
  ASSERT_EQ(rows.size(), 2U);
  EXPECT_TRUE(rows[0].at("floor_fraction").is_null());
  EXPECT_TRUE(rows[0].at("limit_percent").is_null());
  // 2 P n through the node, 2 n through a core, n / 2 reduced by each of 2 ranks; in microseconds.
  const auto time_of = [&](double times, const char* rate) {
    return times * rows[1].at("size_bytes").get<double>() / rows[1].at(rate).get<double>() / 1e3;
  };
  const double least =
      std::max({time_of(4, "floor_node_gb_s"), time_of(2, "floor_core_gb_s"), time_of(0.5, "floor_reduce_gb_s")});
  for (const std::string side : {"", "mpi_"}) {
    const double fraction = rows[1].at(side + "floor_fraction").get<double>();
    EXPECT_NEAR(fraction * rows[1].at(side + "time_us_median").get<double>(), least, 1e-6 * least);
  }
}

TEST(PerfRun, BatchesAreRight) {
  const TemporaryFolder folder;
  const auto file = folder.path() / "rows.json";
  for (const std::string collective : {"allreduce", "broadcast", "all_gather_v", "barrier"}) {
    const auto outcome =
        on_ranks(3, small_perf(collective, {"--batch", "0", "--limits", "none", "--json", file.string()}));
    ASSERT_EQ(outcome.status, 0) << collective << ": " << outcome.err;
    EXPECT_TRUE(has(outcome.out, "# batches: ")) << outcome.out;
    const auto rows = nlohmann::json::parse(read_file(file));
    EXPECT_EQ(rows[0].at("batch"), 64);
    if (rows.size() > 1) {
      EXPECT_LT(rows.back().at("batch"), 64);
    }
    for (const auto& row : rows) EXPECT_EQ(row.at("mpi_wrong"), 0);
  }
}

TEST(PerfRun, TheMpiLibraryAlone) {
  const TemporaryFolder folder;
  const auto file = folder.path() / "rows.json";
  const auto outcome =
      on_ranks(2, small_perf("allreduce", {"--compare", "mpi-only", "--limits", "none", "--json", file.string()}));
  ASSERT_EQ(outcome.status, 0) << outcome.err;
  for (const auto& row : nlohmann::json::parse(read_file(file))) {
    EXPECT_TRUE(row.at("time_us_median").is_null());
    EXPECT_TRUE(row.at("wrong").is_null());
    EXPECT_GT(row.at("mpi_time_us_median").get<double>(), 0.0);
    EXPECT_EQ(row.at("mpi_wrong"), 0);
  }
  const auto average = on_ranks(2, {"perf", "allreduce", "--op", "avg", "--compare", "mpi-only"});
  EXPECT_GT(average.status, 0);
  EXPECT_TRUE(has(average.err, "tutti: error: perf: --compare mpi-only: the MPI library has no such allreduce\n"))
      << average.err;
}

TEST(PerfRun, InPlaceAverageOfHalfFloats) {
  for (const std::string collective : {"allreduce", "reduce_scatter", "reduce"}) {
    const auto outcome = on_ranks(3, {"perf", collective, "--in-place", "--op", "avg", "--dtype", "bf16", "--min", "1K",
                                      "--max", "1K", "--iterations", "3", "--limits", "none"});
    EXPECT_EQ(outcome.status, 0) << outcome.err;
    EXPECT_TRUE(has(outcome.out, "no comparison")) << outcome.out;
  }
}

TEST(PerfRun, ErrorsAlikeOnAllRanksArePrintedOnce) {
  const std::vector<std::pair<std::vector<std::string>, std::string>> wrong = {
      {{"perf", "broadcast", "--root", "7"}, "tutti: error: perf: --root 7 is not a rank: there are ranks 0 to 1\n"},
      {{"perf", "allreduce", "--max", "1000000G"}, "give a smaller --max\n"},
      {{"perf", "allreduce", "--json", "/nonexistent/x.json"},
       "--json /nonexistent/x.json: cannot be written: No such file or directory\n"},
      {{"perf", "allreduce", "--csv", "/nonexistent/x.csv"},
       "--csv /nonexistent/x.csv: cannot be written: No such file or directory\n"},
      {{"perf", "allreduce", "--max", "8", "--algorithm", "no_such"}, "no_such"},
      {{"perf", "allreduce", "--max", "8", "--radix", "3"}, "radix 3 is out of range: with 2 ranks it must be 2"},
  };
  for (const auto& [arguments, message] : tutti::test::drawn(wrong, 3, 1)) {
    const auto outcome = on_ranks(2, arguments);
    EXPECT_GT(outcome.status, 0) << message;
    EXPECT_TRUE(has(outcome.err, message)) << outcome.err;
    EXPECT_EQ(count_of(outcome.err, "tutti: error: "), 1U) << outcome.err;
  }
}

TEST(PerfRun, ATimelineHasNoCallsWithoutDurationAndNamesItsLanes) {
  const TemporaryFolder folder;
  const std::string file = (folder.path() / "trace.json").string();
  const auto outcome = on_ranks(2, {"perf", "allreduce", "--sizes", "8", "--iterations", "50", "--limits", "none",
                                    "--compare", "none", "--trace", file});
  ASSERT_EQ(outcome.status, 0) << outcome.err;
  const auto trace = nlohmann::json::parse(read_file(file));
  int calls = 0;
  int lanes = 0;
  for (const auto& event : trace.at("traceEvents")) {
    const std::string kind = event.at("ph");
    EXPECT_NE(kind, "i") << event;
    if (kind == "X") {
      ++calls;
      EXPECT_GT(event.at("dur").get<double>(), 0.0) << event;
    }
    if (event.at("name") != "thread_name") continue;
    ++lanes;
    EXPECT_EQ(event.at("args").at("name"), "communicator 1");
  }
  EXPECT_GE(calls, 100);
  EXPECT_EQ(lanes, 2);  // one of each rank
}

TEST(PerfRun, TakesNamesOfOthersAndWritesBothFiles) {
  const TemporaryFolder folder;
  const std::string json = (folder.path() / "a.json").string();
  const std::string csv = (folder.path() / "a.csv").string();
  const auto outcome = tutti({"perf", "MPI_Reduce_scatter_block", "--dtype", "double", "--op", "MPI_MAX", "--sizes",
                              "8", "--iterations", "1", "--limits", "none", "--json", json, "--csv", csv});
  ASSERT_EQ(outcome.status, 0) << outcome.err;
  const auto row = nlohmann::json::parse(read_file(json)).at(0);
  EXPECT_EQ(row.at("collective"), "reduce_scatter");
  EXPECT_EQ(row.at("dtype"), "f64");
  EXPECT_EQ(row.at("op"), "max");
  EXPECT_TRUE(has(read_file(csv), "reduce_scatter,8,1,f64,max,")) << read_file(csv);
}

TEST(PerfRun, OptionsBeatTheEnvironment) {
  struct Case {
    const char* variable;
    const char* refused;
    const char* option;
    const char* taken;
  };
  for (const Case& c : {Case{"TUTTI_RADIX", "77", "--radix", "2"},  //
                        Case{"TUTTI_SEGMENT", "x", "--segment", "1K"}}) {
    setenv(c.variable, c.refused, 1);
    const auto from_environment = tutti({"perf", "allreduce", "--max", "8", "--iterations", "1"});
    const auto from_option = tutti({"perf", "allreduce", "--max", "8", "--iterations", "1", c.option, c.taken});
    unsetenv(c.variable);
    EXPECT_EQ(from_environment.status, 1);
    EXPECT_TRUE(has(from_environment.err, c.refused)) << from_environment.err;
    EXPECT_EQ(from_option.status, 0) << from_option.err;
  }
}

}  // namespace
