#include "tools/perf/machine.hpp"

#include <mpi.h>
#include <sched.h>

#include <algorithm>
#include <cstdint>
#include <set>
#include <system_error>

#include <tutti/collectives/inspect/machine.hpp>
#include <tutti/collectives/inspect/mpi.hpp>
#include <tutti/kernels/system_files.hpp>

namespace tutti::tools {
namespace {

/// A cache as one processor sees it.
struct Cache {
  std::size_t level = 0;
  std::size_t bytes = 0;
  std::string processors = {};  ///< that share it
};

/// The one of the highest level among those in the folder `caches`.
Cache last_level_cache(const std::filesystem::path& caches) {
  Cache last;
  std::error_code none;
  for (const auto& entry : std::filesystem::directory_iterator(caches, none)) {
    const std::size_t level = leading_number<std::size_t>(first_line(entry.path() / "level")).value_or(0);
    const std::size_t kilobytes =
        leading_number<std::size_t>(first_line(entry.path() / "size")).value_or(0);  // "32768K"
    if (level <= last.level || kilobytes == 0) continue;
    last = {.level = level, .bytes = kilobytes * 1024, .processors = first_line(entry.path() / "shared_cpu_list")};
  }
  return last;
}

}  // namespace

LastLevelCaches last_level_caches(const std::filesystem::path& cpus) {
  LastLevelCaches found;
  std::set<std::string> known;
  std::error_code none;
  for (const auto& entry : std::filesystem::directory_iterator(cpus, none)) {
    const Cache cache = last_level_cache(entry.path() / "cache");
    if (cache.bytes == 0) continue;
    known.insert(cache.processors);
    found.bytes = std::max(found.bytes, cache.bytes);
  }
  found.count = static_cast<int>(known.size());
  return found;
}

int cores_allowed() {
  cpu_set_t set;
  CPU_ZERO(&set);
  if (sched_getaffinity(0, sizeof set, &set) != 0) return 1;
  return CPU_COUNT(&set);
}

std::size_t memory_available() {
  std::size_t least = SIZE_MAX;
  for (const detail::MemoryLimit& limit : detail::memory_limits()) least = std::min(least, limit.available);
  return least;
}

std::string node_name() {
  std::string name(MPI_MAX_PROCESSOR_NAME, '\0');
  int length = 0;
  MPI_Get_processor_name(name.data(), &length);
  name.resize(static_cast<std::size_t>(length));
  return name;
}

std::string thread_level() {
  int level = 0;
  detail::check_mpi(MPI_Query_thread(&level), "MPI_Query_thread");
  switch (level) {
    case MPI_THREAD_SINGLE:
      return "MPI_THREAD_SINGLE";
    case MPI_THREAD_FUNNELED:
      return "MPI_THREAD_FUNNELED";
    case MPI_THREAD_SERIALIZED:
      return "MPI_THREAD_SERIALIZED";
    default:
      return "MPI_THREAD_MULTIPLE";
  }
}

}  // namespace tutti::tools
