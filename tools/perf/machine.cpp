#include "tools/perf/machine.hpp"

#include <mpi.h>
#include <sched.h>

#include <algorithm>
#include <array>
#include <ctime>
#include <fstream>
#include <limits>
#include <optional>
#include <set>
#include <system_error>

#include <tutti/collectives/system/mpi_call.hpp>

namespace tutti::tools {
namespace {

constexpr std::size_t kUnlimited = std::numeric_limits<std::size_t>::max();

/// The value behind `key` in a file of "key : value" lines.
std::optional<std::string> value_of(const char* file, const std::string& key) {
  std::ifstream in(file);
  for (std::string line; std::getline(in, line);) {
    if (line.rfind(key, 0) != 0) continue;
    const auto colon = line.find(':');
    if (colon == std::string::npos) continue;
    const auto begin = line.find_first_not_of(" \t", colon + 1);
    if (begin != std::string::npos) return line.substr(begin);
  }
  return std::nullopt;
}

std::optional<std::size_t> number_in(const std::string& file) {
  std::ifstream in(file);
  std::size_t number = 0;
  if (in >> number) return number;
  return std::nullopt;  // missing, or "max"
}

/// What the control group leaves, versions 2 and 1; no limit where there is none.
std::size_t control_group_available() {
  for (const auto& [limit, used] :
       {std::pair{"/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory.current"},
        std::pair{"/sys/fs/cgroup/memory/memory.limit_in_bytes", "/sys/fs/cgroup/memory/memory.usage_in_bytes"}}) {
    const auto most = number_in(limit);
    const auto now = number_in(used);
    if (most && now) return *most > *now ? *most - *now : 0;
  }
  return kUnlimited;
}

std::string first_line(const std::filesystem::path& file) {
  std::ifstream in(file);
  std::string line;
  std::getline(in, line);
  return line;
}

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
    const std::size_t level = number_in(entry.path() / "level").value_or(0);
    const std::size_t kilobytes = number_in(entry.path() / "size").value_or(0);  // "32768K"
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
  constexpr std::size_t kKilo = 1024;
  const auto available = value_of("/proc/meminfo", "MemAvailable");
  const std::size_t system = available ? std::stoull(*available) * kKilo : kUnlimited;
  return std::min(system, control_group_available());
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

std::string timestamp() {
  const std::time_t now = std::time(nullptr);
  std::tm utc{};
  gmtime_r(&now, &utc);
  std::array<char, 32> out{};
  const std::size_t length = std::strftime(out.data(), out.size(), "%Y-%m-%dT%H:%M:%SZ", &utc);
  return {out.data(), length};
}

}  // namespace tutti::tools
