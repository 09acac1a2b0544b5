// When MPI begins and ends; see shadow.hpp.
#include <mpi.h>
#include <sched.h>

#include <array>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <mutex>
#include <string>
#include <vector>

#include <tutti/collectives/agreement.hpp>

#include "allreduce/preload/counts.hpp"
#include "allreduce/preload/datatypes.hpp"
#include "allreduce/preload/process.hpp"
#include "allreduce/preload/settings.hpp"
#include "allreduce/preload/shadow.hpp"

namespace tutti::preload {
namespace {

constexpr auto kStopLimit = std::chrono::seconds(5);

#if defined(OPEN_MPI)
constexpr const char* kOtherLibrary = "MPICH";
#else
constexpr const char* kOtherLibrary = "Open MPI";
#endif

/// Reads the settings, and looks at tutti's own variables; the lowest rank whose are wrong says why, and then all end.
Settings settings_of_all(int rank) {
  Settings settings;
  std::string problem;
  try {
    settings = read_settings();
    problem = detail::find_environment_problem(rank == 0);
  } catch (const std::exception& error) {
    problem = error.what();
  }
  const int complains = problem.empty() ? INT32_MAX : rank;
  int first = INT32_MAX;
  PMPI_Allreduce(&complains, &first, 1, MPI_INT, MPI_MIN, MPI_COMM_WORLD);
  if (first == INT32_MAX) return settings;
  if (first == rank) {
    std::fprintf(stderr, "tutti: error: %s\n", problem.c_str());
    PMPI_Abort(MPI_COMM_WORLD, 1);
  }
  PMPI_Barrier(MPI_COMM_WORLD);  // until that rank has ended all
  return settings;
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
  PMPI_Comm_rank(MPI_COMM_WORLD, &rank);
  all.settings = settings_of_all(rank);
  set_report(all.settings.report, rank);
  learn_datatypes();
  PMPI_Comm_create_keyval(MPI_COMM_NULL_COPY_FN, part_when_deleted, &all.key, nullptr);
  all.running = true;
  adopt(MPI_COMM_WORLD);
}

void stop() {
  Process& all = process();
  if (!all.running.exchange(false)) return;
  const Inside inside;
  std::vector<MPI_Comm> comms;
  {
    const std::lock_guard lock(all.mutex);
    for (const auto& [comm, shadow] : all.shadows) comms.push_back(comm);
  }
  for (const MPI_Comm comm : comms) PMPI_Comm_delete_attr(comm, all.key);
  // All meet at once, so that the order in which ranks free them does not matter.
  const auto end = std::chrono::steady_clock::now() + kStopLimit;
  while (!free_parted() && std::chrono::steady_clock::now() < end) sched_yield();
  for (const ShadowPtr& shadow : all.parted) {
    shadow->own.abandon("MPI_Finalize was called here, and not by all ranks");
  }
  free_parted();
  PMPI_Comm_free_keyval(&all.key);
  print_report();
}

}  // namespace tutti::preload
