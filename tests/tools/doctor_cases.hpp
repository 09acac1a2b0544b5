// Made-up facts for the tests of `tutti doctor`: a job with which all is well, and what is changed in it.
#pragma once

#include <gtest/gtest.h>

#include <cstdint>
#include <string>

#include "tools/doctor/facts.hpp"
#include "tools/doctor/report.hpp"

namespace tutti::tools::doctor {

inline constexpr std::uint64_t kMiB = std::uint64_t{1} << 20;
inline constexpr std::uint64_t kGiB = std::uint64_t{1} << 30;

/// A rank of two on a host with four hardware threads, with which all is well.
inline RankFacts well(int rank, int node, const char* host) {
  RankFacts facts;
  facts.rank = rank;
  facts.node = node;
  facts.host = host;
  facts.user = 1000;
  facts.process_namespace = "pid:[1]";
  facts.launched = true;
  facts.cpus_granted = 4;
  facts.cpus = {0, 1, 2, 3};
  facts.cores = {0, 1, 2, 3};
  facts.clock_source = "tsc";
  facts.memory_available = 8 * kGiB;
  facts.shm_file_system = "tmpfs";
  facts.shm_bytes = 4 * kGiB;
  facts.shm_free = 4 * kGiB;
  facts.shmem_huge_pages = "never";
  facts.descriptors = 1024;
  facts.locked_memory = 8 * kMiB;
  facts.tutti_version = "0.1.0";
  facts.mpi_library = "Open MPI v4.1.5";
  facts.mpi_standard = 301;
  facts.thread_level = "MPI_THREAD_FUNNELED";
  facts.ucx = "1.13.1";
  facts.hdf5 = facts.hdf5_built = "1.10.8";
  facts.working_folder = {.path = "/home", .file_system = "ext4", .network = false, .free_bytes = kGiB};
  facts.temporary_folder = {.path = "/tmp", .file_system = "tmpfs", .network = false, .free_bytes = kGiB};
  facts.cma_error = "";
  facts.peer_files = "";
  facts.shares_memory = true;
  return facts;
}

/// Two hosts with two ranks each.
inline JobFacts well() {
  JobFacts job;
  job.hosts = {{"a", {well(0, 0, "a"), well(1, 0, "a")}}, {"b", {well(2, 2, "b"), well(3, 2, "b")}}};
  return job;
}

template <class Change>
void on_all(JobFacts& job, Change change) {
  for (HostFacts& host : job.hosts) {
    for (RankFacts& rank : host.ranks) change(rank);
  }
}

/// Sets a variable on all ranks.
inline void set(JobFacts& job, const char* variable, const char* value) {
  on_all(job, [&](RankFacts& rank) { rank.environment[variable] = value; });
}

/// The first line of a check, which is its worst.
inline Line line_of(const JobFacts& job, const std::string& check) {
  for (const Line& line : examine(job)) {
    if (line.check == check) return line;
  }
  ADD_FAILURE() << "there is no check " << check;
  return {};
}

struct Case {
  const char* check;
  void (*change)(JobFacts& job);
  Status status;
  std::string found;
  std::string remedy = {};
};

inline void expect(const Case& given) {
  JobFacts job = well();
  given.change(job);
  const Line line = line_of(job, given.check);
  EXPECT_EQ(name(line.finding.status), name(given.status)) << given.check << ": " << line.finding.found;
  EXPECT_NE(line.finding.found.find(given.found), std::string::npos) << given.check << ": " << line.finding.found;
  EXPECT_NE(line.finding.remedy.find(given.remedy), std::string::npos) << given.check << ": " << line.finding.remedy;
  EXPECT_EQ(line.finding.remedy.empty(), given.status == Status::ok) << given.check << ": " << line.finding.remedy;
  EXPECT_EQ((line.finding.found + line.finding.remedy).find('\n'), std::string::npos) << line.finding.found;
}

inline constexpr auto kWarning = Status::warning;
inline constexpr auto kProblem = Status::problem;
inline constexpr auto kOk = Status::ok;

}  // namespace tutti::tools::doctor
