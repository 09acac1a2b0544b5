// What the preload keeps in a process.
#pragma once

#include <mpi.h>

#include <atomic>
#include <memory>
#include <mutex>
#include <unordered_map>
#include <vector>

#include "allreduce/preload/settings.hpp"
#include "allreduce/preload/shadow.hpp"

namespace tutti::preload {

using ShadowPtr = std::unique_ptr<Shadow>;

/// Of the process: an interposed function has no argument that could carry it. Never destroyed, since MPI functions may
/// be called until the process is gone.
struct Process {
  Settings settings;
  int key = MPI_KEYVAL_INVALID;  // of the attribute that marks communicators with a shadow
  std::atomic<bool> running = false;
  std::atomic<bool> shares_memory = true;  // until ranks of one node were found to have none in common

  std::mutex mutex;  // of what follows
  std::unordered_map<MPI_Comm, ShadowPtr> shadows;
  std::vector<ShadowPtr> parted;  // whose communicators are freed here, and perhaps not on all ranks
};

Process& process() noexcept;

/// Called by MPI when the attribute is deleted, before a communicator is freed, by whomever: its shadow has parted.
int part_when_deleted(MPI_Comm comm, int key, void* value, void* extra);

/// Frees the shadows that all ranks have parted from; true if none is left.
bool free_parted();

}  // namespace tutti::preload
