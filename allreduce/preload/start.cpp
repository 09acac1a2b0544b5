// When MPI begins and ends; see shadow.hpp.
#include <mpi.h>
#include <sched.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include <tutti/collectives/communicator/creation_check.hpp>
#include <tutti/collectives/communicator/mpi_control_channel.hpp>
#include <tutti/collectives/engine/waiting_task.hpp>
#include <tutti/kernels/error.hpp>

#include "allreduce/preload/counts.hpp"
#include "allreduce/preload/datatypes.hpp"
#include "allreduce/preload/meeting.hpp"
#include "allreduce/preload/process.hpp"
#include "allreduce/preload/settings.hpp"
#include "allreduce/preload/shadow.hpp"

namespace tutti::preload {
namespace {

using Clock = std::chrono::steady_clock;

constexpr auto kStopLimit = std::chrono::seconds(5);
constexpr auto kEndLimit = std::chrono::seconds(5);
constexpr auto kPause = std::chrono::milliseconds(1);

#if defined(OPEN_MPI)
constexpr const char* kOtherLibrary = "MPICH";
#else
constexpr const char* kOtherLibrary = "Open MPI";
#endif

/// What ranks tell each other first.
struct Hello {
  std::uint64_t from_call;
  OperationSet operations;
  std::uint32_t is_wrong;  // a setting
};

[[noreturn]] void end_all() {
  PMPI_Abort(MPI_COMM_WORLD, 1);
  std::abort();
}

/// Reads the settings, or says what is wrong with them, or with tutti's own variables; and with the files that these
/// name if it `reads_files`.
Settings read_or_explain(std::string& problem, bool reads_files) {
  try {
    Settings settings = read_settings();
    problem = detail::find_environment_problem(reads_files);
    return settings;
  } catch (const std::exception& error) {
    problem = error.what();
  }
  return {};
}

/// The ranks of MPI_COMM_WORLD that say that they have the preload. Only used once all is lost, because the message may
/// be taken by a call of a program that has it not.
std::vector<bool> call_the_roll(int rank, int size) {
  constexpr int kTag = 32701;
  constexpr auto kLimit = std::chrono::seconds(1);
  std::vector<bool> are_here(static_cast<std::size_t>(size));
  are_here[static_cast<std::size_t>(rank)] = true;
  std::vector<MPI_Request> requests(are_here.size(), MPI_REQUEST_NULL);
  for (int r = 0; r < size; ++r) {
    if (r != rank) PMPI_Isend(nullptr, 0, MPI_BYTE, r, kTag, MPI_COMM_WORLD, &requests[static_cast<std::size_t>(r)]);
  }
  for (const auto end = Clock::now() + kLimit; Clock::now() < end; std::this_thread::sleep_for(kPause)) {
    int there = 1;
    MPI_Status status;
    while (PMPI_Iprobe(MPI_ANY_SOURCE, kTag, MPI_COMM_WORLD, &there, &status) == MPI_SUCCESS && there != 0) {
      PMPI_Recv(nullptr, 0, MPI_BYTE, status.MPI_SOURCE, kTag, MPI_COMM_WORLD, MPI_STATUS_IGNORE);
      are_here[static_cast<std::size_t>(status.MPI_SOURCE)] = true;
    }
  }
  return are_here;
}

/// Not all ranks came to be preloaded: the lowest that did says so, and then all end.
[[noreturn]] void end_without_all(double seconds) {
  int rank = 0;
  int size = 1;
  PMPI_Comm_rank(MPI_COMM_WORLD, &rank);
  PMPI_Comm_size(MPI_COMM_WORLD, &size);
  const std::vector<bool> are_here = call_the_roll(rank, size);
  const auto first = std::find(are_here.begin(), are_here.end(), true) - are_here.begin();
  if (rank == first) {
    std::set<int> missing;
    for (int r = 0; r < size; ++r) {
      if (!are_here[static_cast<std::size_t>(r)]) missing.insert(r);
    }
    const std::string who = missing.empty() ? "some ranks" : detail::list("", missing).substr(1);
    std::fprintf(
        stderr,
        "tutti: error: preload: %s of MPI_COMM_WORLD did not answer within %.3g s in MPI_Init: all ranks of a job "
        "must have the preload, or none (TUTTI_PRELOAD_START_LIMIT)\n",
        who.c_str(), seconds);
  } else {
    std::this_thread::sleep_for(kEndLimit);  // until that rank has ended all
  }
  end_all();
}

/// A communicator of all ranks for what is tutti's alone. Nothing that has not the preload calls what this does, unless
/// its first call on MPI_COMM_WORLD is a non-blocking collective.
MPI_Comm find_all_ranks(std::chrono::duration<double> limit) {
  MPI_Comm copy = MPI_COMM_NULL;
  MPI_Request request = MPI_REQUEST_NULL;
  PMPI_Comm_idup(MPI_COMM_WORLD, &copy, &request);
  const bool is_limited = limit.count() > 0;
  const auto end =
      is_limited ? Clock::now() + std::chrono::duration_cast<Clock::duration>(limit) : Clock::time_point::max();
  if (!wait_until(request, end)) end_without_all(limit.count());
  PMPI_Comm_set_errhandler(copy, MPI_ERRORS_RETURN);
  return copy;
}

/// What all ranks agree on; the lowest rank whose settings are wrong says why, and then all end.
void meet_all(Settings& settings, const std::string& problem, MPI_Comm all_ranks) {
  WaitLimits patience;
  if (settings.start_limit.count() > 0) patience.timeout = settings.start_limit;
  Rendezvous ranks(all_ranks, "MPI_Init", patience);
  const Hello own{
      .from_call = settings.from_call, .operations = settings.operations, .is_wrong = problem.empty() ? 0U : 1U};
  const std::vector<Hello> all = ranks.all_gather(own);
  for (int r = 0; r < ranks.size(); ++r) {
    const Hello& hello = all[static_cast<std::size_t>(r)];
    settings.from_call = std::max(settings.from_call, hello.from_call);
    settings.operations &= hello.operations;
    if (hello.is_wrong == 0) continue;
    if (r == ranks.rank()) {
      std::fprintf(stderr, "tutti: error: %s\n", problem.c_str());
    } else {
      std::this_thread::sleep_for(kEndLimit);
    }
    end_all();
  }
}

int stop_at_finalize(MPI_Comm /*comm*/, int /*key*/, void* /*value*/, void* /*extra*/) {
  stop();
  return MPI_SUCCESS;
}

}  // namespace

void require_own_library() {
  std::array<char, MPI_MAX_LIBRARY_VERSION_STRING> version{};
  int length = 0;
  PMPI_Get_library_version(version.data(), &length);
  const std::string name = version.data();
  if (name.find(kOtherLibrary) == std::string::npos) return;
  std::fprintf(stderr, "tutti: error: the preload was built for another MPI library than the program runs with (%s)\n",
               name.substr(0, name.find_first_of(",\n")).c_str());
  std::exit(EXIT_FAILURE);
}

void start() {
  Process& all = process();
  int initialized = 0;
  PMPI_Initialized(&initialized);
  if (initialized == 0 || all.running) return;
  int rank = 0;
  int level = MPI_THREAD_SINGLE;
  PMPI_Comm_rank(MPI_COMM_WORLD, &rank);
  PMPI_Query_thread(&level);
  all.has_threads = level == MPI_THREAD_MULTIPLE;
  std::string problem;
  all.settings = read_or_explain(problem, rank == 0);
  try {
    all.all_ranks = find_all_ranks(all.settings.start_limit);
    meet_all(all.settings, problem, all.all_ranks);
  } catch (const RanksMissing&) {
    end_without_all(all.settings.start_limit.count());
  } catch (const Error& error) {
    std::fprintf(stderr, "tutti: error: preload: the ranks cannot meet in MPI_Init: %s\n", error.what());
    end_all();
  }
  all.control_hub = std::make_shared<detail::ControlHub>(all.all_ranks);
  set_report(all.settings.report, rank);
  learn_datatypes();
  PMPI_Comm_create_keyval(MPI_COMM_NULL_COPY_FN, part_when_deleted, &all.key, nullptr);
  // MPI_Finalize may go past this library, by way of another one.
  PMPI_Comm_create_keyval(MPI_COMM_NULL_COPY_FN, stop_at_finalize, &all.end_key, nullptr);
  PMPI_Comm_set_attr(MPI_COMM_SELF, all.end_key, nullptr);
  all.running = true;
  if (all.settings.operations == 0) return;  // all communicators are MPI's
  try {
    make_first_shadow("MPI_Init");
  } catch (const Error& error) {
    std::fprintf(stderr, "tutti: error: preload: %s\n", error.what());
    end_all();
  }
}

void stop() {
  Process& all = process();
  if (!all.running.exchange(false)) return;
  const Inside inside;
  std::vector<MPI_Comm> comms;
  {
    const std::lock_guard lock(all.mutex);
    for (const auto& [comm, known] : all.known) comms.push_back(comm);
  }
  all.whole.reset();
  for (const MPI_Comm comm : comms) PMPI_Comm_delete_attr(comm, all.key);
  // All meet at once, so that the order in which ranks free them does not matter.
  const auto end = std::chrono::steady_clock::now() + kStopLimit;
  while (!free_parted() && std::chrono::steady_clock::now() < end) sched_yield();
  for (const auto& shadow : all.parted) {
    shadow->own.abandon("MPI_Finalize was called here, and not by all ranks");
  }
  free_parted();
  all.control_hub.reset();
  PMPI_Comm_free_keyval(&all.key);
  PMPI_Comm_free_keyval(&all.end_key);
  PMPI_Comm_free(&all.all_ranks);
  print_report();
}

}  // namespace tutti::preload
