// Processors: how many ranks share them, and how they keep time.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <set>

#include "tools/doctor/check.hpp"
#include "tools/doctor/words.hpp"

namespace tutti::tools::doctor {
namespace {

template <class Member>
std::set<int> all_of(const HostFacts& host, Member member) {
  std::set<int> numbers;
  for (const RankFacts& rank : host.ranks) numbers.insert((rank.*member).begin(), (rank.*member).end());
  return numbers;
}

/// Threads that each rank will start, as far as it says; 1 otherwise.
int threads_of(const RankFacts& rank) {
  const std::string said = value_of(rank, "OMP_NUM_THREADS");
  int threads = 1;
  std::from_chars(said.data(), said.data() + said.size(), threads);
  return std::max(threads, 1);
}

}  // namespace

Finding check_cores(const HostFacts& host) {
  const auto ranks = static_cast<int>(host.ranks.size());
  const int cpus = host.ranks.front().cpus_granted;
  const std::string both = fmt::format("{} on {}", counted(ranks, "rank"), counted(cpus, "hardware thread"));
  if (ranks > cpus) {
    return {Status::warning, both + ": ranks that wait give way, and all are slow in proportion",
            fmt::format("at most {} on this host", counted(cpus, "rank"))};
  }
  const auto quota = host.ranks.front().quota;
  if (quota && *quota < ranks) {
    return {Status::warning,
            fmt::format("{} share the time of {:.2g} processors that the control group grants", counted(ranks, "rank"),
                        *quota),
            "a higher limit of the container or job, or fewer ranks"};
  }
  int threads = 0;
  for (const RankFacts& rank : host.ranks) threads += threads_of(rank);
  if (threads > cpus && threads > ranks) {
    return {Status::warning, fmt::format("{}, and OMP_NUM_THREADS makes {} threads of them", both, threads),
            fmt::format("OMP_NUM_THREADS={}", std::max(1, cpus / ranks))};
  }
  const auto cores = static_cast<int>(all_of(host, &RankFacts::cores).size());
  const bool sees_all = static_cast<int>(all_of(host, &RankFacts::cpus).size()) == cpus;
  if (sees_all && ranks > cores) {
    return {Status::warning, fmt::format("{} of {}, whose units they share", both, counted(cores, "core")),
            fmt::format("at most {} on this host", counted(cores, "rank"))};
  }
  return {Status::ok, both};
}

Finding check_binding(const HostFacts& host) {
  const auto ranks = static_cast<int>(host.ranks.size());
  const auto is_bound = [](const RankFacts& rank) { return static_cast<int>(rank.cpus.size()) < rank.cpus_granted; };
  int bound = 0;
  for (const RankFacts& rank : host.ranks) {
    if (!is_bound(rank)) continue;
    ++bound;
    std::vector<int> sharers;  // who may run nowhere else
    for (const RankFacts& other : host.ranks) {
      if (std::includes(rank.cpus.begin(), rank.cpus.end(), other.cpus.begin(), other.cpus.end()))
        sharers.push_back(other.rank);
    }
    // With more ranks than there is room for, crowds are no fault of the binding.
    if (sharers.size() > rank.cpus.size() && ranks <= rank.cpus_granted) {
      return {Status::problem,
              fmt::format("{} may run on {} {} only, of {} here", listed("rank", sharers),
                          rank.cpus.size() == 1 ? "hardware thread" : "hardware threads", fmt::join(rank.cpus, ", "),
                          rank.cpus_granted),
              "mpirun --bind-to none, or --bind-to core; jobs that share a host: --cpu-set"};
    }
  }
  if (bound == 0) return {Status::ok, "no rank is bound"};
  return {Status::ok, fmt::format("{} of {} bound, each with room", bound, counted(ranks, "rank"))};
}

Finding check_governor(const HostFacts& host) {
  const RankFacts& rank = host.ranks.front();
  if (rank.governor.empty()) return {Status::ok, "the system does not say how the frequency is governed"};
  // Drivers that leave the frequency to the processor take "powersave" for a hint.
  const bool hint = rank.frequency_driver == "intel_pstate" || rank.frequency_driver == "amd-pstate-epp";
  const std::string said = fmt::format("governor {} of driver {}", rank.governor, rank.frequency_driver);
  if (rank.governor == "performance" || rank.governor == "schedutil" || (hint && rank.governor == "powersave")) {
    return {Status::ok, said};
  }
  return {Status::warning, said + ": ranks that wait are clocked down, and then are slow to answer",
          "cpupower frequency-set -g performance"};
}

Finding check_clock(const HostFacts& host) {
  const RankFacts& rank = host.ranks.front();
  constexpr std::array kFast = {"tsc", "kvm-clock", "hyperv_clocksource_tsc_page", "arch_sys_counter"};
  if (rank.clock_source.empty()) return {Status::ok, "the system does not say which clock it reads"};
  if (std::find(kFast.begin(), kFast.end(), rank.clock_source) == kFast.end()) {
    return {Status::warning,
            fmt::format("clock source {}: each look at the clock is a system call, and waiting ranks look often",
                        rank.clock_source),
            "boot with clocksource=tsc if the processor's time stamp is reliable"};
  }
  if (!rank.constant_tsc) {
    return {Status::warning, "the processor's time stamp changes its pace with the frequency (no constant_tsc)",
            "do not compare times of different ranks"};
  }
  return {Status::ok, "clock source " + rank.clock_source};
}

}  // namespace tutti::tools::doctor
