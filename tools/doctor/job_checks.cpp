// What ranks of all hosts have in common: their environment, versions, network, and a communicator.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <iterator>
#include <map>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <tutti/kernels/error.hpp>
#include <tutti/kernels/names.hpp>
#include <tutti/kernels/text.hpp>

#include "tools/doctor/check.hpp"
#include "tools/doctor/words.hpp"

namespace tutti::tools::doctor {
namespace {

constexpr std::string_view kKnownVariables[] = {
    "TUTTI_ALGORITHM",
    "TUTTI_ALGORITHM_FILE",
    "TUTTI_CMA",
    "TUTTI_DEBUG",
    "TUTTI_FLIGHT_RECORD",
    "TUTTI_FLIGHT_RECORDER",
    "TUTTI_GNUPLOT",
    "TUTTI_NETWORK",
    "TUTTI_NUMA",
    "TUTTI_PRELOAD",
    "TUTTI_PRELOAD_COMMUNICATORS",
    "TUTTI_PRELOAD_FROM_CALL",
    "TUTTI_PRELOAD_MESSAGE_BYTES",
    "TUTTI_PRELOAD_REPORT",
    "TUTTI_PRELOAD_ROOTED_BYTES",
    "TUTTI_PRELOAD_SERVE",
    "TUTTI_PRELOAD_STALL_WARNING",
    "TUTTI_PRELOAD_START_LIMIT",
    "TUTTI_PRELOAD_TIMEOUT",
    "TUTTI_RADIX",
    "TUTTI_SEGMENT",
    "TUTTI_SHARED_MEMORY",
    "TUTTI_TIMEOUT",
    "TUTTI_TRACE",
    "TUTTI_TRANSPORT",
    "TUTTI_TUNING",
};

constexpr std::string_view kPrefix = "TUTTI_";

constexpr std::string_view kTrainerSections[] = {"DATA",     "AUGMENT",  "MODEL",    "TRAIN", "OPTIMIZER",
                                                 "SCHEDULE", "EXCHANGE", "NUMERICS", "RUN"};

std::vector<const RankFacts*> all_ranks(const JobFacts& job) {
  std::vector<const RankFacts*> ranks;
  for (const HostFacts& host : job.hosts) {
    for (const RankFacts& rank : host.ranks) ranks.push_back(&rank);
  }
  std::sort(ranks.begin(), ranks.end(), [](const RankFacts* a, const RankFacts* b) { return a->rank < b->rank; });
  return ranks;
}

bool is_of_trainer(std::string_view variable) {
  return std::any_of(std::begin(kTrainerSections), std::end(kTrainerSections), [&](std::string_view section) {
    return variable.starts_with(fmt::format("{}{}_", kPrefix, section));
  });
}

/// Of another program than tutti's, so nobody's business, unless it is nearly one of tutti's.
bool is_foreign(std::string_view variable) { return !variable.starts_with(kPrefix); }

/// The names without the prefix that all of tutti's share, by which they would all look alike.
std::vector<std::string> rests(std::span<const std::string_view> names) {
  std::vector<std::string> all;
  for (const std::string_view name : names)
    all.emplace_back(name.starts_with(kPrefix) ? name.substr(kPrefix.size()) : name);
  return all;
}

/// The name that was probably meant; empty if there is none.
std::string meant_by(const std::string& variable) {
  if (is_foreign(variable)) {
    return nearest_name(variable, std::vector<std::string>(std::begin(kKnownVariables), std::end(kKnownVariables)));
  }
  const std::string rest = variable.substr(kPrefix.size());
  if (const std::string name = nearest_name(rest, rests(kKnownVariables)); !name.empty()) return text(kPrefix, name);
  // TUTTI_TRIAN_EPOCHS: the section alone.
  const auto behind = rest.find('_');
  if (behind == std::string::npos) return {};
  const std::string section = nearest_name(rest.substr(0, behind), rests(kTrainerSections));
  return section.empty() ? "" : text(kPrefix, section, rest.substr(behind));
}

/// Values of a variable, each with the ranks that have it; not set is "".
std::map<std::string, std::vector<int>> values_of(const std::vector<const RankFacts*>& ranks,
                                                  const std::string& variable) {
  std::map<std::string, std::vector<int>> values;
  for (const RankFacts* rank : ranks) values[value_of(*rank, variable)].push_back(rank->rank);
  return values;
}

std::string differing(const std::string& what, const std::map<std::string, std::vector<int>>& values) {
  std::string said = what + " differs:";
  for (const auto& [value, ranks] : values) {
    said += fmt::format("{} {} on {}", said.back() == ':' ? "" : ",", value.empty() ? "none" : "'" + value + "'",
                        listed("rank", ranks));
  }
  return said;
}

/// Whether a list of Open MPI's components leaves shared memory out: "self,tcp", "^vader".
bool leaves_out_shared_memory(const std::string& components) {
  if (components.empty()) return false;
  const bool named = components.find("vader") != std::string::npos || components.find("sm") != std::string::npos;
  return components.front() == '^' ? named : !named;
}

}  // namespace

std::span<const std::string_view> known_variables() noexcept { return kKnownVariables; }
std::span<const std::string_view> trainer_sections() noexcept { return kTrainerSections; }

Finding check_variables(const JobFacts& job) {
  std::set<std::string> names;
  for (const RankFacts* rank : all_ranks(job)) {
    for (const auto& [name, value] : rank->environment) names.insert(name);
  }
  std::vector<std::string> strange;
  std::string meant;
  int known = 0;
  for (const std::string& name : names) {
    const bool is_known =
        std::find(std::begin(kKnownVariables), std::end(kKnownVariables), name) != std::end(kKnownVariables);
    if (is_known || is_of_trainer(name)) {
      ++known;
    } else if (const std::string near = meant_by(name);
               !is_foreign(name) || (name.starts_with("TU") && !near.empty())) {
      strange.push_back(name);
      if (meant.empty()) meant = near;
    }
  }
  if (strange.empty()) return {Status::ok, fmt::format("{} of tutti", counted(known, "variable"))};
  return {Status::warning,
          fmt::format("{}: nothing reads {}", fmt::join(strange, ", "), strange.size() == 1 ? "it" : "them"),
          meant.empty() ? "unset it; those of the library stand in tutti(3)" : "did you mean " + meant + "?"};
}

Finding check_contradictions(const JobFacts& job) {
  const auto ranks = all_ranks(job);
  const RankFacts& first = *ranks.front();
  if (!job.tuning_refused.empty()) {
    return {Status::warning, "the tuning file is refused: " + job.tuning_refused,
            "mpirun -n 2 tutti tune --out FILE, or unset TUTTI_TUNING"};
  }
  if (!value_of(first, "TUTTI_NETWORK").empty() && !job.network_description && job.communicator_error.empty()) {
    return {Status::warning,
            fmt::format("TUTTI_NETWORK={} has no effect on {}", value_of(first, "TUTTI_NETWORK"),
                        counted(job.hosts.size(), "node")),
            "a torus with as many nodes as the job, or unset TUTTI_NETWORK"};
  }
  if (value_of(first, "TUTTI_TRANSPORT") == "ucx" && job.hosts.size() == 1 && ranks.size() > 1) {
    return {Status::warning, "TUTTI_TRANSPORT=ucx has no effect inside one node", "unset TUTTI_TRANSPORT"};
  }
  const std::string components = value_of(first, "OMPI_MCA_btl");
  const bool has_peers =
      std::any_of(job.hosts.begin(), job.hosts.end(), [](const HostFacts& host) { return host.ranks.size() > 1; });
  if (has_peers && is_open_mpi(first) && leaves_out_shared_memory(components)) {
    return {Status::warning,
            fmt::format("OMPI_MCA_btl={} sends messages between ranks of a host over the network", components),
            "add vader, Open MPI's shared memory, to the list"};
  }
  return {Status::ok, "no variables that contradict each other"};
}

Finding check_agreement(const JobFacts& job) {
  const auto ranks = all_ranks(job);
  using Text = std::string RankFacts::*;
  for (const auto& [what, member] : {std::pair<const char*, Text>{"tutti's version", &RankFacts::tutti_version},
                                     {"the MPI library", &RankFacts::mpi_library},
                                     {"UCX's version", &RankFacts::ucx}}) {
    std::map<std::string, std::vector<int>> values;
    for (const RankFacts* rank : ranks) values[rank->*member].push_back(rank->rank);
    if (values.size() > 1) return {Status::problem, differing(what, values), "the same installation on all hosts"};
  }
  std::set<std::string> names;
  for (const RankFacts* rank : ranks) {
    for (const auto& [name, value] : rank->environment) {
      if (!is_foreign(name)) names.insert(name);
    }
  }
  for (const std::string& name : names) {
    const auto values = values_of(ranks, name);
    if (values.size() > 1) {
      return {Status::warning, differing(name, values),
              fmt::format("mpirun -x {}, or set it on all hosts alike", name)};
    }
  }
  return {Status::ok, fmt::format("versions and variables of {}", counted(ranks.size(), "rank"))};
}

Finding check_network(const JobFacts& job) {
  const auto has_rdma = [](const HostFacts& host) { return host.ranks.front().rdma; };
  const auto hosts = std::count_if(job.hosts.begin(), job.hosts.end(), has_rdma);
  const auto all = static_cast<std::ptrdiff_t>(job.hosts.size());
  if (all == 1)
    return {Status::ok, hosts == 1 ? "one host, with an RDMA network" : "one host, without an RDMA network"};
  if (hosts == 0) return {Status::ok, "no host has an RDMA network: TCP joins them"};
  if (hosts == all) return {Status::ok, "every host has an RDMA network"};
  const auto without = std::find_if_not(job.hosts.begin(), job.hosts.end(), has_rdma);
  return {Status::warning,
          fmt::format("{} of {} hosts have an RDMA network, and {} has none: it is not used, or not by all", hosts, all,
                      without->host),
          "look for a port that is down (ibstat), or leave that host out"};
}

Finding check_communicator(const JobFacts& job) {
  if (!job.communicator_error.empty()) {
    return {Status::problem, "none can be made: " + job.communicator_error, "what it says"};
  }
  std::size_t ranks = 0;
  for (const HostFacts& host : job.hosts) ranks += host.ranks.size();
  return {Status::ok, fmt::format("{} on {}", counted(ranks, "rank"), counted(job.hosts.size(), "host"))};
}

}  // namespace tutti::tools::doctor
