// Jobs seen from outside: `tutti ps` of jobs that hang, timelines, and what is left of ranks that are killed.
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>
#include <map>
#include <nlohmann/json.hpp>
#include <set>
#include <string>
#include <vector>

#include "tests/collectives/watch/launched.hpp"

namespace tutti::test {
namespace {

using nlohmann::json;

bool has(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

std::string pid(pid_t process) { return "(pid " + std::to_string(process); }

/// `tutti ps` of the job until it says so; the last that it said.
testing::AssertionResult ps_says(Ranks& ranks, const std::vector<std::string>& parts) {
  std::string seen;
  const bool told = comes_true([&] {
    int status = -1;
    seen = run_tutti({"ps", std::to_string(ranks.mpirun().process())}, status);
    return status == 0 &&
           std::all_of(parts.begin(), parts.end(), [&](const std::string& part) { return has(seen, part); });
  });
  if (told) return testing::AssertionSuccess();
  return testing::AssertionFailure() << seen << "does not say " << json(parts) << '\n' << ranks.output();
}

json ps_json(Ranks& ranks) {
  int status = -1;
  const std::string seen = run_tutti({"ps", std::to_string(ranks.mpirun().process()), "--json"}, status);
  EXPECT_EQ(status, 0);
  const json parsed = json::parse(seen, nullptr, false);
  EXPECT_FALSE(parsed.is_discarded()) << seen;
  return parsed["jobs"][0];
}

// ---- tutti ps

TEST(Ps, NamesTheRankThatStaysAway) {
  for (const char* shared_memory : {"1", "0"}) {
    Ranks ranks(3, {"outside"}, {{"TUTTI_SHARED_MEMORY", shared_memory}});
    ASSERT_TRUE(ranks.all_run()) << ranks.output();
    EXPECT_TRUE(ps_says(
        ranks, {"3 of 3 ranks seen",
                "suspect: rank 2 " + pid(ranks.process_of(2)) + ") is in no tutti call since allreduce #4 ended, ",
                "; ranks 0, 1 wait for it in allreduce #5\n"}));
    const json job = ps_json(ranks);
    ASSERT_EQ(job["suspects"].size(), 1U) << job.dump(1);
    EXPECT_EQ(job["suspects"][0]["ranks"], json({2}));
    EXPECT_EQ(job["launcher_pid"], ranks.mpirun().process());
    EXPECT_EQ(job["processes"][0]["pid"], ranks.process_of(0));
    EXPECT_EQ(job["processes"][0]["communicators"][0]["awaited_ranks"], json({2}));
    EXPECT_EQ(job["processes"][1]["communicators"][0]["begun"], 6);
    EXPECT_EQ(job["processes"][2]["communicators"][0]["begun"], 5);
    int status = -1;
    run_tutti({"ps", std::to_string(ranks.mpirun().process()), "--check"}, status);
    EXPECT_EQ(status, 3);
    // The same of a job that is stopped as a whole.
    for (int rank = 0; rank < 3; ++rank) kill(ranks.process_of(rank), SIGSTOP);
    EXPECT_TRUE(ps_says(ranks, {"suspect: rank 2 " + pid(ranks.process_of(2)) + ", stopped) is in no tutti call"}));
    for (int rank = 0; rank < 3; ++rank) kill(ranks.process_of(rank), SIGCONT);
    ranks.go();
    ASSERT_TRUE(ranks.mpirun().wait_for(std::chrono::seconds(20)));
    EXPECT_EQ(ranks.mpirun().status(), 0) << ranks.output();
  }
}

TEST(Ps, NamesARankThatIsStopped) {
  for (const char* operation : {"allreduce", "ring", "messages"}) {
    Ranks ranks(3, {"loop", operation});
    ASSERT_TRUE(ranks.all_run()) << ranks.output();
    kill(ranks.process_of(1), SIGSTOP);
    EXPECT_TRUE(ps_says(ranks, {"suspect: rank 1 " + pid(ranks.process_of(1)) + ", stopped) ", "for it in "}))
        << operation;
    kill(ranks.process_of(1), SIGCONT);
  }
}

TEST(Ps, NamesRanksThatWaitForEachOther) {
  Ranks ranks(3, {"circle"});
  ASSERT_TRUE(ranks.all_run()) << ranks.output();
  EXPECT_TRUE(ps_says(ranks, {"suspect: ranks 0, 1 wait for each other: rank 0 ",
                              "waits in receive from rank 1 (i32 x 1)", "waits in receive from rank 0 (i32 x 1)"}));
  EXPECT_EQ(ps_json(ranks)["suspects"][0]["ranks"], json({0, 1}));
}

TEST(Ps, WritesRecordsAndTimelinesFromOutside) {
  Ranks ranks(3, {"outside"});
  ASSERT_TRUE(ranks.all_run()) << ranks.output();
  kill(ranks.process_of(0), SIGSTOP);
  const TemporaryFolder folder;
  const std::string records = (folder.path() / "records.json").string();
  const std::string timeline = (folder.path() / "trace.json").string();
  int status = -1;
  run_tutti({"ps", std::to_string(ranks.process_of(1)), "--record", records, "--trace", timeline}, status);
  kill(ranks.process_of(0), SIGCONT);
  EXPECT_EQ(status, 0);
  const json all = json::parse(read_file(records), nullptr, false);
  ASSERT_EQ(all.size(), 3U);
  for (int rank = 0; rank < 3; ++rank) {
    EXPECT_EQ(all[rank]["rank"], rank);
    EXPECT_EQ(all[rank]["pid"], ranks.process_of(rank));
    EXPECT_EQ(all[rank]["operations"].size(), rank == 2 ? 5U : 6U);
    EXPECT_EQ(all[rank]["operations"].back()["state"], rank == 2 ? "complete" : "running");
  }
  const json events = json::parse(read_file(timeline), nullptr, false)["traceEvents"];
  EXPECT_EQ(std::count_if(events.begin(), events.end(), [](const json& e) { return e["name"] == "allreduce"; }), 17);
}

TEST(Ps, SaysThatThereIsNoSuchJob) {
  int status = -1;
  const std::string said = run_tutti({"ps", "no-such-job"}, status);
  EXPECT_EQ(status, 1);
  EXPECT_TRUE(has(said, "tutti: error: ps: no tutti job ")) << said;
}

// ---- Processes that end

/// Files below /tmp and /dev/shm that a process has mapped, but for the program, which may lie there: MPI's and tutti's
/// shared memory.
std::set<std::string> files_of(pid_t process) {
  const std::string folder = "/proc/" + std::to_string(process);
  std::ifstream maps(folder + "/maps");
  std::set<std::string> files;
  for (std::string line; std::getline(maps, line);) {
    const std::size_t at = std::min(line.find("/dev/shm/"), line.find("/tmp/"));
    if (at != std::string::npos) files.insert(line.substr(at));
  }
  files.erase(std::filesystem::read_symlink(folder + "/exe").string());
  return files;
}

bool is_process_gone(pid_t process) { return kill(process, 0) != 0; }

/// Groups of three ranks loop over operations of their own, and some of each are killed at once: survivors name the
/// dead of their group within a second, and nothing is left.
void kill_some(int groups, const std::string& operations, const Environment& environment,
               const std::function<bool(int rank)>& is_killed) {
  const int count = 3 * groups;
  Ranks ranks(count, {"loop", operations}, environment);
  ASSERT_TRUE(ranks.all_run()) << operations << ranks.output();
  std::set<std::string> files;
  std::vector<pid_t> processes;
  for (int rank = 0; rank < count; ++rank) {
    processes.push_back(ranks.process_of(rank));
    files.merge(files_of(processes.back()));
  }
  for (int rank = 0; rank < count; ++rank) {
    if (is_killed(rank)) kill(processes[static_cast<std::size_t>(rank)], SIGKILL);
  }
  const auto has_failed = [&](int rank) { return is_killed(rank) || ranks.said(rank).size() >= 3; };
  comes_true([&] {
    for (int rank = 0; rank < count; ++rank) {
      if (!has_failed(rank)) return false;
    }
    return true;
  });
  for (int rank = 0; rank < count; ++rank) {
    if (is_killed(rank)) continue;
    ASSERT_TRUE(has_failed(rank)) << operations << ", rank " << rank << " has not failed" << ranks.output();
    const std::string line = ranks.said(rank).at(2);
    EXPECT_LT(std::stod(line), 1.0) << operations << ", rank " << rank << ": " << line;
    std::string dead;
    for (int peer = rank / 3 * 3; peer < rank / 3 * 3 + 3; ++peer) {
      const std::string named =
          "rank " + std::to_string(peer % 3) + ' ' + pid(processes[static_cast<std::size_t>(peer)]) + " on ";
      if (is_killed(peer) && has(line, named)) dead = named;
    }
    EXPECT_NE(dead, "") << operations << ", rank " << rank << " names no dead one: " << line;
    EXPECT_TRUE(has(line, ") has died")) << line;
  }
  ranks.go();
  ASSERT_TRUE(ranks.mpirun().wait_for(std::chrono::seconds(30)));
  for (const pid_t process : processes) EXPECT_TRUE(is_process_gone(process)) << process;
  for (const std::string& file : files) EXPECT_FALSE(std::filesystem::exists(file)) << file;
  EXPECT_TRUE(std::filesystem::is_empty(ranks.folder() + "/tmp"));
}

/// Every subset of three ranks, each in a group of its own.
void kill_every_subset(const std::string& operation, const Environment& environment = {}) {
  kill_some(7, operation, environment, [](int rank) { return ((rank / 3 + 1) >> (rank % 3) & 1) != 0; });
}

/// One rank of each group, which calls a collective of its own; `number` of it is the root's or another.
TEST(Killed, InEachCollective) {
  const std::string all = "broadcast,reduce,all_gather,reduce_scatter,gather,scatter,all_to_all,barrier";
  for (const char* shared_memory : {"1", "0"}) {
    for (const int number : {0, 1}) {
      kill_some(8, all, {{"TUTTI_SHARED_MEMORY", shared_memory}}, [&](int rank) { return rank % 3 == number; });
    }
  }
}

TEST(Killed, InASmallAllreduce) { kill_every_subset("allreduce"); }
TEST(Killed, InALargeAllreduce) { kill_every_subset("large"); }
TEST(Killed, InALargeAllreduceOfOtherMemory) {
  for (const char* cma : {"0", "1"}) kill_every_subset("large_plain", {{"TUTTI_CMA", cma}});
}
TEST(Killed, InACollectiveOfMessages) { kill_every_subset("ring"); }
TEST(Killed, InMessages) { kill_every_subset("messages"); }
TEST(Killed, InLargeMessages) { kill_every_subset("large_messages"); }
TEST(Killed, InReceivesFromAny) { kill_every_subset("any_source"); }
TEST(Killed, WithoutSharedMemory) { kill_every_subset("allreduce", {{"TUTTI_SHARED_MEMORY", "0"}}); }

/// A rank that has called MPI_Finalize owes nothing to one that can still hear from another.
TEST(Ended, IsNoErrorForWhoDoesNotWaitForIt) {
  Ranks ranks(3, {"any"});
  ASSERT_TRUE(ranks.all_run()) << ranks.output();
  EXPECT_TRUE(ps_says(ranks, {"MPI_Finalize", "receive from any rank (i32 x 1)"}));
  kill(ranks.process_of(1), SIGKILL);
  EXPECT_FALSE(comes_true([&] { return ranks.said(0).size() > 2; }, std::chrono::seconds(1))) << ranks.said(0).at(2);
  ranks.go();
  ASSERT_TRUE(comes_true([&] { return ranks.said(0).size() > 2; }));
  EXPECT_EQ(ranks.said(0).at(2), "0 received");
  kill(ranks.process_of(2), SIGKILL);
  ASSERT_TRUE(comes_true([&] { return ranks.said(0).size() > 3; }));
  EXPECT_TRUE(has(ranks.said(0).at(3), "rank 2 " + pid(ranks.process_of(2)))) << ranks.said(0).at(3);
}

// ---- Containers: process numbers that mean nothing to the others

bool can_have_namespaces() {
  return std::system("unshare --pid --fork true 2>/dev/null && unshare --time --fork true 2>/dev/null") == 0;
}

pid_t only_child_of(pid_t process) {
  std::ifstream file("/proc/" + std::to_string(process) + "/task/" + std::to_string(process) + "/children");
  pid_t child = 0;
  file >> child;
  return child;
}

TEST(Container, DeathIsNoticedByASocket) {
  if (!can_have_namespaces()) GTEST_SKIP() << "no right to make namespaces";
  // Shared memory of Open MPI takes processes of the same number for one.
  Ranks ranks(3, {"together", "ring"}, {{"OMPI_MCA_btl", "tcp,self"}}, {"unshare", "--pid", "--fork"});
  ASSERT_TRUE(ranks.all_run()) << ranks.output();
  EXPECT_EQ(ranks.process_of(1), 1);
  const std::vector<pid_t> wrappers = ranks.children();
  ASSERT_EQ(wrappers.size(), 3U);
  kill(only_child_of(wrappers[2]), SIGKILL);
  for (const int rank : {0, 1}) {
    ASSERT_TRUE(comes_true([&] { return ranks.said(rank).size() > 2; }));
    EXPECT_TRUE(has(ranks.said(rank).at(2), "rank 2 (pid 1 on ")) << ranks.said(rank).at(2);
    EXPECT_TRUE(has(ranks.said(rank).at(2), "has died")) << ranks.said(rank).at(2);
    EXPECT_LT(std::stod(ranks.said(rank).at(2)), 1.0);
  }
  ranks.go();
  ASSERT_TRUE(ranks.mpirun().wait_for(std::chrono::seconds(30)));
}

// ---- Timelines

struct Event {
  double begin;
  double end;
};

/// By rank: the events of a kind, by sequence number.
std::map<int, std::map<int, Event>> events_of(const std::string& file, const std::string& kind) {
  const json trace = json::parse(read_file(file), nullptr, false);
  EXPECT_FALSE(trace.is_discarded()) << file;
  std::map<int, std::map<int, Event>> events;
  for (const json& event : trace["traceEvents"]) {
    if (event["ph"] != "X" || event["name"] != kind) continue;
    const double begin = event["ts"];
    events[event["pid"]][event["args"]["sequence"]] = {begin, begin + event["dur"].get<double>()};
  }
  return events;
}

/// Nobody ends an allreduce before all have begun it, by any clock that is right.
void expect_aligned(const std::string& file) {
  constexpr double kMicroseconds = 2000;  // of a busy machine
  auto events = events_of(file, "allreduce");
  ASSERT_EQ(events.size(), 3U);
  for (const auto& [rank, own] : events) {
    EXPECT_EQ(own.size(), 4U);
    for (const auto& [sequence, event] : own) {
      for (int other = 0; other < 3; ++other) {
        ASSERT_EQ(events[other].count(sequence), 1U);
        EXPECT_GE(event.end + kMicroseconds, events[other][sequence].begin) << "ranks " << rank << ", " << other;
      }
      EXPECT_GE(event.begin, 0);
      EXPECT_LT(event.end, 60e6);
    }
  }
}

/// Rank 1's clock is 5000 s ahead.
const std::vector<std::string> kAhead = {
    "bash", "-c", "[[ $OMPI_COMM_WORLD_RANK != 1 ]] || exec unshare --time --monotonic 5000 --fork \"$@\"; exec \"$@\"",
    "ahead"};

TEST(Trace, IsMergedAtTheEnd) {
  if (!can_have_namespaces()) GTEST_SKIP() << "no right to make namespaces";
  const TemporaryFolder folder;
  const std::string file = (folder.path() / "trace.json").string();
  Ranks ranks(3, {"trace"}, {{"TUTTI_TRACE", file}}, kAhead);
  ASSERT_TRUE(ranks.mpirun().wait_for(std::chrono::seconds(40)));
  EXPECT_EQ(ranks.mpirun().status(), 0) << ranks.output();
  expect_aligned(file);
  EXPECT_FALSE(std::filesystem::exists(file + ".rank0"));
}

TEST(Trace, IsWrittenWhenTheProgramSaysSo) {
  if (!can_have_namespaces()) GTEST_SKIP() << "no right to make namespaces";
  const TemporaryFolder folder;
  const std::string file = (folder.path() / "trace.json").string();
  Ranks ranks(3, {"trace", file}, {}, kAhead);
  ASSERT_TRUE(ranks.mpirun().wait_for(std::chrono::seconds(40)));
  EXPECT_EQ(ranks.mpirun().status(), 0) << ranks.output();
  expect_aligned(file);
}

/// Where not all ranks are asked for it there are parts, which `tutti trace` puts together.
TEST(Trace, HasPartsThatCanBeMerged) {
  const TemporaryFolder folder;
  const std::string file = (folder.path() / "trace.json").string();
  Ranks ranks(3, {"trace"}, {{"TUTTI_TRACE", file}},
              {"bash", "-c", "[[ $OMPI_COMM_WORLD_RANK != 2 ]] || unset TUTTI_TRACE; exec \"$@\"", "some"});
  ASSERT_TRUE(ranks.mpirun().wait_for(std::chrono::seconds(40)));
  EXPECT_TRUE(has(ranks.output(), "tutti: warning: TUTTI_TRACE is not set on all ranks")) << ranks.output();
  EXPECT_FALSE(std::filesystem::exists(file));
  EXPECT_FALSE(std::filesystem::exists(file + ".rank2"));
  int status = -1;
  EXPECT_EQ(run_tutti({"trace", file + ".rank0", file + ".rank1", "--out", file}, status), "");
  EXPECT_EQ(status, 0);
  auto events = events_of(file, "broadcast");
  EXPECT_EQ(events.size(), 2U);
  EXPECT_EQ(events[0].size(), 4U);
  EXPECT_LT(events[1].rbegin()->second.end, 60e6);  // from 0 on
  const std::string said = run_tutti({"trace", "/etc/hostname", "--out", file}, status);
  EXPECT_EQ(status, 1);
  EXPECT_TRUE(has(said, "/etc/hostname: is no timeline")) << said;
}

/// The part of a rank that fails holds what led to it.
TEST(Trace, IsThereWhenRanksDie) {
  const TemporaryFolder folder;
  const std::string file = (folder.path() / "trace.json").string();
  Ranks ranks(3, {"together", "ring"}, {{"TUTTI_TRACE", file}});
  ASSERT_TRUE(ranks.all_run()) << ranks.output();
  kill(ranks.process_of(2), SIGKILL);
  for (const int rank : {0, 1}) {
    ASSERT_TRUE(comes_true([&] { return ranks.said(rank).size() > 2; }));
    const auto events = events_of(file + ".rank" + std::to_string(rank), "allreduce");
    ASSERT_EQ(events.size(), 1U);
    EXPECT_GE(events.at(rank).size(), 20U);
  }
  ranks.go();
  ASSERT_TRUE(ranks.mpirun().wait_for(std::chrono::seconds(30)));
}

TEST(Trace, IsWrittenByPerf) {
  const TemporaryFolder folder;
  const std::string file = (folder.path() / "perf.json").string();
  Running perf({test::kMpirun, "-n", "2", test::kTutti, "perf", "allreduce", "--max", "64", "--iterations", "5",
                "--compare", "none", "--trace", file},
               (folder.path() / "out").string());
  ASSERT_TRUE(perf.wait_for(std::chrono::seconds(40)));
  EXPECT_EQ(perf.status(), 0) << read_file(folder.path() / "out");
  auto events = events_of(file, "allreduce");
  EXPECT_EQ(events.size(), 2U);
  EXPECT_GE(events[1].size(), 20U);
}

}  // namespace
}  // namespace tutti::test
