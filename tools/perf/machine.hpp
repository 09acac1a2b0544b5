// What a measurement must say about where it was made.
#pragma once

#include <cstddef>
#include <filesystem>
#include <string>

#include <tutti/collectives/inspect/costs.hpp>

namespace tutti::tools {

/// Cores this process may run on.
int cores_allowed();

/// Bytes that can still be had on this node: the least that the machine and the control groups leave.
std::size_t memory_available();

/// The caches of this node that are nearest to its memory.
struct LastLevelCaches {
  int count = 0;          ///< 0 where the kernel does not tell
  std::size_t bytes = 0;  ///< of the largest
};

/// Of the processors below `cpus`, as Linux describes them.
LastLevelCaches last_level_caches(const std::filesystem::path& cpus = "/sys/devices/system/cpu");

/// Name of the node, as MPI gives it.
std::string node_name();

/// What MPI gave, "MPI_THREAD_FUNNELED" for instance.
std::string thread_level();

}  // namespace tutti::tools
