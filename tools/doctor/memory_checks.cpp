// Memory, how ranks of a host reach each other's, and limits of the process.
#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <string>
#include <vector>

#include "tools/doctor/check.hpp"
#include "tools/doctor/words.hpp"

namespace tutti::tools::doctor {
namespace {

constexpr std::uint64_t kMiB = std::uint64_t{1} << 20;
constexpr std::uint64_t kGiB = std::uint64_t{1} << 30;

using Limit = std::optional<std::uint64_t> RankFacts::*;

/// The lowest of the ranks' limits; the largest number if none has one.
std::uint64_t lowest(const HostFacts& host, Limit limit) {
  std::uint64_t least = std::numeric_limits<std::uint64_t>::max();
  for (const RankFacts& rank : host.ranks) least = std::min(least, (rank.*limit).value_or(least));
  return least;
}

bool is_limited(const HostFacts& host, Limit limit) {
  return lowest(host, limit) != std::numeric_limits<std::uint64_t>::max();
}

/// The first rank's answer that is no success; empty if there is none.
std::string first_error(const HostFacts& host, std::optional<std::string> RankFacts::*answer) {
  for (const RankFacts& rank : host.ranks) {
    if (!(rank.*answer).value_or("").empty()) return *(rank.*answer);
  }
  return {};
}

template <class Member>
bool differ(const HostFacts& host, Member member) {
  return std::any_of(host.ranks.begin(), host.ranks.end(),
                     [&](const RankFacts& rank) { return rank.*member != host.ranks.front().*member; });
}

/// Why local ranks do not use each other's memory, and what to do about it.
Finding why_no_shared_memory(const HostFacts& host) {
  const std::string slow = "ranks of this host exchange messages: ";
  const auto because = [&](const std::string& why, const std::string& remedy) {
    return Finding{Status::warning, slow + why, remedy};
  };
  for (const RankFacts& rank : host.ranks) {
    if (value_of(rank, "TUTTI_SHARED_MEMORY") == "0")
      return because("TUTTI_SHARED_MEMORY=0", "unset TUTTI_SHARED_MEMORY");
  }
  for (const RankFacts& rank : host.ranks) {
    if (!rank.memfd_error.empty()) {
      return because("memory without a name cannot be had: " + rank.memfd_error, "more memory, or Linux 3.17 or later");
    }
  }
  constexpr std::uint64_t kNeeded = 16 * kMiB;
  if (lowest(host, &RankFacts::file_size) < kNeeded) {
    return because("ulimit -f leaves files no more than " + bytes_text(lowest(host, &RankFacts::file_size)),
                   "ulimit -f unlimited");
  }
  if (differ(host, &RankFacts::user)) return because("they are of different users", "start all ranks as one user");
  if (differ(host, &RankFacts::process_namespace)) {
    return because("they are in containers that do not see each other's processes",
                   "one container for all ranks of a host, or --pid=host for each");
  }
  if (const std::string error = first_error(host, &RankFacts::peer_files); !error.empty()) {
    return because("the files of another rank cannot be opened: " + error,
                   "do not forbid the ranks to be traced (PR_SET_DUMPABLE, hidepid)");
  }
  return because("the library found no way", "ulimit -n higher; and see the other lines");
}

}  // namespace

Finding check_memory(const HostFacts& host) {
  const std::uint64_t available = host.ranks.front().memory_available;
  const std::string said =
      fmt::format("{} available for {}", bytes_text(available), counted(host.ranks.size(), "rank"));
  if (available / host.ranks.size() < 256 * kMiB) {
    return {Status::warning, said, "fewer ranks on this host, or a higher memory limit of the container or job"};
  }
  return {Status::ok, said};
}

Finding check_dev_shm(const HostFacts& host) {
  // Open MPI 4.1 makes a segment of 4 MiB for each rank there (btl_vader_segment_size), besides those of communicators.
  constexpr std::uint64_t kOfRank = 4 * kMiB;
  const std::uint64_t needed = host.ranks.size() * kOfRank;
  std::uint64_t free = 0;  // ranks that look later find less
  for (const RankFacts& rank : host.ranks) free = std::max(free, rank.shm_free);
  const RankFacts& rank = host.ranks.front();
  if (rank.shm_file_system.empty()) {
    return {Status::warning, "there is no /dev/shm: MPI keeps its shared memory in files elsewhere",
            "mount a tmpfs at /dev/shm"};
  }
  const std::string said = fmt::format("/dev/shm has {} free of {}", bytes_text(free), bytes_text(rank.shm_bytes));
  if (free < needed) {
    return {Status::problem,
            fmt::format("{}, and {} make segments of {} there", said, counted(host.ranks.size(), "rank"),
                        bytes_text(needed)),
            "docker run --shm-size=1g; mount -o remount,size=50% /dev/shm; or remove what is left there"};
  }
  if (rank.shm_file_system != "tmpfs") {
    return {Status::warning, "/dev/shm is no memory but " + rank.shm_file_system, "mount a tmpfs at /dev/shm"};
  }
  if (free < 4 * needed) {
    return {Status::warning, said + ", little for MPI's shared memory",
            "docker run --shm-size=1g; or mount -o remount,size=50% /dev/shm"};
  }
  return {Status::ok, said};
}

Finding check_huge_pages(const HostFacts& host) {
  const std::string& mode = host.ranks.front().shmem_huge_pages;
  if (mode.empty()) return {Status::ok, "the system has no transparent huge pages for shared memory"};
  const std::string said = "huge pages for shared memory: " + mode;
  if (mode == "force") {
    return {Status::warning, said + ": the smallest piece of shared memory takes a whole huge page",
            "echo advise > /sys/kernel/mm/transparent_hugepage/shmem_enabled"};
  }
  return {Status::ok, said};
}

Finding check_shared_memory(const HostFacts& host) {
  const RankFacts& rank = host.ranks.front();
  if (host.ranks.size() == 1) {
    if (!rank.memfd_error.empty()) {
      return {Status::warning, "memory without a name cannot be had: " + rank.memfd_error,
              "more memory, or Linux 3.17 or later"};
    }
    return {Status::ok, "one rank here, with nobody to share memory with"};
  }
  if (!rank.shares_memory) return {Status::ok, "not tried, since there is no communicator"};
  if (!*rank.shares_memory) return why_no_shared_memory(host);
  return {Status::ok, "ranks use each other's memory"};
}

Finding check_cross_memory(const HostFacts& host) {
  const RankFacts& rank = host.ranks.front();
  const int scope = rank.ptrace_scope.value_or(0);
  if (host.ranks.size() == 1) {
    if (scope <= 1) return {Status::ok, "not tried, with one rank here"};
    return {Status::warning, fmt::format("kernel.yama.ptrace_scope is {}: no rank may copy from another", scope),
            "sysctl kernel.yama.ptrace_scope=1; or OMPI_MCA_btl_vader_single_copy_mechanism=none"};
  }
  const std::string error = first_error(host, &RankFacts::cma_error);
  if (error.empty()) return {Status::ok, "ranks can copy from each other (process_vm_readv)"};
  if (!is_open_mpi(rank)) return {Status::ok, "ranks cannot copy from each other: " + error};
  if (value_of(rank, "OMPI_MCA_btl_vader_single_copy_mechanism") == "none") {
    return {Status::ok, fmt::format("ranks cannot copy from each other ({}), and Open MPI is told not to", error)};
  }
  return {Status::warning,
          fmt::format("ranks cannot copy from each other ({}), which Open MPI tries with large messages", error),
          "OMPI_MCA_btl_vader_single_copy_mechanism=none; or allow it: docker run --cap-add=SYS_PTRACE"};
}

Finding check_descriptors(const HostFacts& host) {
  if (!is_limited(host, &RankFacts::descriptors)) return {Status::ok, "as many descriptors as wanted"};
  const std::uint64_t limit = lowest(host, &RankFacts::descriptors);
  const std::string said = counted(limit, "descriptor");
  if (limit < 256) {
    return {Status::problem, said + ": a connection to each peer and mapped memory take one each", "ulimit -n 4096"};
  }
  if (limit < 1024) {
    return {Status::warning, said + ": memory that local ranks can map may have only half of them", "ulimit -n 4096"};
  }
  return {Status::ok, said};
}

Finding check_locked_memory(const HostFacts& host) {
  const bool rdma = host.ranks.front().rdma;
  const bool limited = is_limited(host, &RankFacts::locked_memory);
  const std::string said = limited ? "locked memory limit " + bytes_text(lowest(host, &RankFacts::locked_memory))
                                   : "no limit of locked memory";
  if (!limited || !rdma) return {Status::ok, said + (rdma ? "" : " (only RDMA networks need more; none found)")};
  return {lowest(host, &RankFacts::locked_memory) < kGiB ? Status::problem : Status::warning,
          said + ", and the RDMA network locks what it sends and receives",
          "memlock unlimited in /etc/security/limits.conf, and LimitMEMLOCK=infinity for the batch system's daemon"};
}

Finding check_other_limits(const HostFacts& host) {
  if (is_limited(host, &RankFacts::processor_seconds)) {
    return {Status::warning,
            fmt::format("ranks are killed after {} s of processor time, and waiting counts",
                        lowest(host, &RankFacts::processor_seconds)),
            "ulimit -t unlimited"};
  }
  if (is_limited(host, &RankFacts::file_size)) {
    return {Status::warning,
            fmt::format("files end at {}: data sets, checkpoints and shared memory too",
                        bytes_text(lowest(host, &RankFacts::file_size))),
            "ulimit -f unlimited"};
  }
  if (is_limited(host, &RankFacts::address_space)) {
    return {Status::warning,
            fmt::format("{} of address space: ranks map the memory of all local ranks",
                        bytes_text(lowest(host, &RankFacts::address_space))),
            "ulimit -v unlimited"};
  }
  return {Status::ok, "no limits of file size, address space and processor time"};
}

}  // namespace tutti::tools::doctor
