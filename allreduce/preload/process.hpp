// What the preload keeps in a process.
#pragma once

#include <mpi.h>

#include <atomic>
#include <memory>
#include <mutex>
#include <optional>
#include <unordered_map>
#include <vector>

#include <tutti/collectives/communicator.hpp>
#include <tutti/collectives/communicator/mpi_control_channel.hpp>

#include "allreduce/preload/meeting.hpp"
#include "allreduce/preload/settings.hpp"
#include "allreduce/preload/shadow.hpp"

namespace tutti::preload {

/// Of the process: an interposed function has no argument that could carry it. Never destroyed, since MPI functions may
/// be called until the process is gone.
struct Process {
  Settings settings;
  int key = MPI_KEYVAL_INVALID;                     // of the attribute that marks communicators that are known
  int end_key = MPI_KEYVAL_INVALID;                 // of the one that MPI_Finalize deletes first
  bool has_threads = false;                         // MPI_THREAD_MULTIPLE
  MPI_Comm all_ranks = MPI_COMM_NULL;               // those of MPI_COMM_WORLD, for what is tutti's alone
  std::shared_ptr<detail::ControlHub> control_hub;  // on that
  std::optional<Communicator> whole;                // the shadow of MPI_COMM_WORLD, if it has one
  std::atomic<bool> running = false;
  std::atomic<bool> shares_memory = true;  // until ranks of one node were found to have none in common

  std::mutex mutex;  // of what follows
  std::unordered_map<MPI_Comm, std::unique_ptr<ProgramComm>> known;
  std::size_t shadows = 0;                      // there are, or are being made
  std::vector<std::unique_ptr<Shadow>> parted;  // whose communicators are freed here, and perhaps not on all ranks
};

Process& process() noexcept;

/// Called by MPI when the attribute is deleted, before a communicator is freed, by whomever: its shadow has parted.
int part_when_deleted(MPI_Comm comm, int key, void* value, void* extra);

/// Makes the shadow of MPI_COMM_WORLD, whose ranks meet on `all_ranks`. Collective.
void make_first_shadow(const char* where);

}  // namespace tutti::preload
