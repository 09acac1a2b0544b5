// Comparing what ranks were given, and settling what the choice of algorithms knows; see creation_check.hpp.
#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <type_traits>
#include <utility>

#include <tutti/collectives/communicator/creation_check.hpp>
#include <tutti/collectives/communicator/debug_log.hpp>
#include <tutti/collectives/node/local_ranks.hpp>
#include <tutti/collectives/schedule/algorithm_table.hpp>
#include <tutti/collectives/selection/rules.hpp>
#include <tutti/collectives/selection/selection.hpp>
#include <tutti/collectives/selection/tuning.hpp>
#include <tutti/collectives/system/cross_memory_attach.hpp>
#include <tutti/collectives/transport/open_transport.hpp>
#include <tutti/collectives/transport/waiting.hpp>
#include <tutti/kernels/error.hpp>
#include <tutti/kernels/text.hpp>
#ifdef TUTTI_SIMULATED
#define TUTTI_VERSION "simulated"  // all ranks are one process
#else
#include <tutti/version.h>
#endif

namespace tutti::detail {
namespace {

// What a rank says of itself.
constexpr std::uint32_t kWrongOptions = 1;
constexpr std::uint32_t kNamesTuning = 2;
constexpr std::uint32_t kHasRdma = 4;

constexpr std::size_t kMostRuleBytes = std::size_t{1} << 20;

/// FNV-1a over 64 bits.
class Digest {
 public:
  Digest& add(const void* data, std::size_t bytes) noexcept {
    const auto* at = static_cast<const unsigned char*>(data);
    for (std::size_t i = 0; i < bytes; ++i) value_ = (value_ ^ at[i]) * 0x100000001B3U;
    return *this;
  }
  template <class T>
  Digest& add(const T& value) noexcept {
    static_assert(std::is_arithmetic_v<T> || std::is_enum_v<T>);
    return add(&value, sizeof value);
  }
  Digest& add(std::string_view value) noexcept { return add(value.data(), value.size()).add('\0'); }
  Digest& add(const TransportCosts& costs) noexcept {
    for (const double cost :
         {costs.latency, costs.overhead, costs.gap, costs.byte, costs.distance, costs.reduce, costs.copy}) {
      add(cost == 0 ? 0.0 : cost);  // -0 is 0
    }
    return add(costs.overlaps);
  }
  Digest& add(const NetworkDescription& network) noexcept {
    for (int d = 0; d < network.torus.dimensions(); ++d) add(network.torus.side(d));
    return add(network.ports).add(network.hop == 0 ? 0.0 : network.hop);
  }
  Digest& add(const LevelCosts& costs) noexcept { return add(costs.node).add(costs.network); }
  std::uint64_t value() const noexcept { return value_; }

 private:
  std::uint64_t value_ = 0xCBF29CE484222325U;
};

/// What the options say, or else the environment. \throws InvalidArgument
NetworkDescription described_network(const CommunicatorOptions& options) {
  if (options.network) return *options.network;
  const char* described = std::getenv("TUTTI_NETWORK");
  if (described == nullptr || *described == '\0') return {};
  try {
    return parse_network(described);
  } catch (const InvalidArgument& error) {
    throw InvalidArgument(text("TUTTI_NETWORK: ", error.what()));
  }
}

AlgorithmRules own_rules() { return parse_rules(rules_of_environment(), kRulesVariable); }

/// What ranks must have in common, by name: a row here is all that a further option needs.
struct Part {
  const char* name;
  void (*add)(Digest& digest, const CommunicatorOptions& options);
};
constexpr Part kParts[] = {
    {"the version of tutti or its algorithms",
     [](Digest& digest, const CommunicatorOptions&) {
       digest.add(std::string_view(TUTTI_VERSION))
           .add(kAsGood)
           .add(kAsGoodOnTorus)
           .add(digest_of(collective_algorithms()));
     }},
    {"options.reproducibility",
     [](Digest& digest, const CommunicatorOptions& options) { digest.add(options.reproducibility); }},
    {"options.costs",
     [](Digest& digest, const CommunicatorOptions& options) {
       if (options.costs) digest.add(*options.costs);
     }},
    {"options.ranks_per_node",
     [](Digest& digest, const CommunicatorOptions& options) { digest.add(options.ranks_per_node); }},
    {"the networks (options.network, or TUTTI_NETWORK of each rank: mpirun -x)",
     [](Digest& digest, const CommunicatorOptions& options) { digest.add(described_network(options)); }},
    {"the transports (options.transport, or TUTTI_TRANSPORT of each rank: mpirun -x)",
     [](Digest& digest, const CommunicatorOptions& options) { digest.add(wanted_transport(options.transport)); }},
    {"the use of shared memory (options.shared_memory, or TUTTI_SHARED_MEMORY of each rank: mpirun -x)",
     [](Digest& digest, const CommunicatorOptions& options) {
       digest.add(wants_shared_memory(options.shared_memory));
     }},
    {"CMA (TUTTI_CMA of each rank: mpirun -x)",
     [](Digest& digest, const CommunicatorOptions&) { digest.add(wanted_cross_memory()); }},
    {"NUMA domains (TUTTI_NUMA of each rank: mpirun -x)",
     [](Digest& digest, const CommunicatorOptions&) {
       const WantedDomains wanted = wanted_domains();
       digest.add(wanted.by_hardware).add(wanted.pretended);
     }},
    {"the rules for algorithms (TUTTI_ALGORITHM, TUTTI_ALGORITHM_FILE of each rank: mpirun -x)",
     [](Digest& digest, const CommunicatorOptions&) {
       digest.add(std::string_view(rules_of_environment())).add(std::string_view(rules_file_of_environment()));
     }},
};

std::string problem_with(const TransportCosts& costs) {
  for (const double cost :
       {costs.latency, costs.overhead, costs.gap, costs.byte, costs.distance, costs.reduce, costs.copy}) {
    if (!(cost >= 0 && std::isfinite(cost)))
      return text("Communicator: a cost of the transport is ", cost, ", not a number of at least 0");
  }
  return {};
}

/// What is wrong with the options whatever the other ranks say; empty if nothing is.
std::string problem_with(const CommunicatorOptions& options) {
  if (!options.problem.empty()) return options.problem;
  if (options.reproducibility != Reproducibility::run && options.reproducibility != Reproducibility::layout) {
    return "Communicator: only the reproducibility levels 'run' and 'layout' are built";
  }
  if (options.costs) {
    for (const TransportCosts& costs : {options.costs->node, options.costs->network}) {
      if (std::string problem = problem_with(costs); !problem.empty()) return problem;
    }
    if (!options.tuning_file.empty()) return "Communicator: costs and tuning_file exclude each other";
  }
  if (options.ranks_per_node < 0)
    return text("Communicator: ranks_per_node is ", options.ranks_per_node, ", less than 0");
  if (options.timeout && !(options.timeout->count() > 0))
    return text("Communicator: the timeout is ", options.timeout->count(), " s, not positive");
  if (options.network && !options.network->torus) return "Communicator: options.network has no torus";
  if (options.network &&
      (options.network->ports < 0 || !(options.network->hop >= 0 && std::isfinite(options.network->hop))))
    return "Communicator: options.network has ports below 0, or a hop that is not a number of at least 0";
  try {
    described_network(options);
    wanted_transport(options.transport);
    wants_shared_memory(options.shared_memory);
    wanted_cross_memory();
    wanted_domains();
    own_rules();
    wants_debug();
  } catch (const InvalidArgument& error) {
    return error.what();
  }
  return {};
}

/// The file that the options name, or else the environment; empty if neither does.
std::string named_tuning_file(const CommunicatorOptions& options) {
  if (!options.tuning_file.empty()) return options.tuning_file;
  const char* named = options.costs ? nullptr : std::getenv("TUTTI_TUNING");
  return named == nullptr ? "" : named;
}

/// What rank 0 finds in the tuning file, as it tells the others.
struct Verdict {
  double costs[2][7];
  bool overlaps[2];
  std::array<char, 1024> file;     // NUL-terminated
  std::array<char, 1024> refused;  // empty if it serves
  bool is_error;                   // what is refused must not be
};

using Cost = double TransportCosts::*;
constexpr Cost kCosts[7] = {&TransportCosts::latency, &TransportCosts::overhead, &TransportCosts::gap,
                            &TransportCosts::byte,    &TransportCosts::distance, &TransportCosts::reduce,
                            &TransportCosts::copy};

void put(std::array<char, 1024>& to, const std::string& from) {
  std::memcpy(to.data(), from.data(), std::min(from.size(), to.size() - 1));
}

/// `is_option`: the program names the file, which then has to be readable and whole. One that was measured elsewhere is
/// refused all the same: a batch system may place a job anywhere.
Verdict judge(const std::string& file, bool is_option, NetworkClass network) {
  Verdict verdict{};
  put(verdict.file, file);
  bool was_read = false;
  try {
    const Tuning tuning = read_tuning(file);
    was_read = true;
    require_measured_at(tuning, local_fingerprint(network), file);
    const TransportCosts* levels[2] = {&tuning.costs.node, &tuning.costs.network};
    for (int level = 0; level < 2; ++level) {
      for (int i = 0; i < 7; ++i) verdict.costs[level][i] = levels[level]->*kCosts[i];
      verdict.overlaps[level] = levels[level]->overlaps;
    }
  } catch (const DataError& error) {
    put(verdict.refused, error.what());
    verdict.is_error = is_option && !was_read;
    if (verdict.is_error) return verdict;
    std::fprintf(stderr, "tutti: warning: %s; built-in constants are used\n", error.what());
  }
  return verdict;
}

}  // namespace

std::string find_environment_problem(bool reads_files) {
  if (std::string problem = problem_with(CommunicatorOptions{}); !problem.empty()) return problem;
  const std::string file = rules_file_of_environment();
  if (!reads_files || file.empty()) return {};
  try {
    parse_rules_file(read_rules_file(file), file);
  } catch (const InvalidArgument& error) {
    return error.what();
  }
  return {};
}

CreationCheck::CreationCheck(const CommunicatorOptions& options, const SelectionFacts* inherited)
    : options_(options), inherited_(inherited), problem_(problem_with(options)) {
  for (const Part& part : kParts) {
    Digest digest;
    if (problem_.empty()) part.add(digest, options);  // otherwise nothing is compared
    parts_.push_back(digest.value());
  }
  if (!problem_.empty()) flags_ |= kWrongOptions;
  if (inherited != nullptr) return;
  if (!named_tuning_file(options).empty()) flags_ |= kNamesTuning;
  // A simulator's network is made up, not this machine's.
  if (kSimulated || find_network_class() == NetworkClass::rdma) flags_ |= kHasRdma;
}

std::uint64_t CreationCheck::digest() const noexcept {
  return Digest().add(parts_.data(), parts_.size() * sizeof(parts_.front())).value();
}

void CreationCheck::add(std::uint32_t flags, std::uint64_t digest) {
  if (ranks_ == 0) {
    first_digest_ = digest;
    tuning_named_ = (flags & kNamesTuning) != 0;
  }
  if ((flags & kWrongOptions) != 0 && first_problem_ < 0) first_problem_ = ranks_;
  differ_ = differ_ || digest != first_digest_;
  all_have_rdma_ = all_have_rdma_ && (flags & kHasRdma) != 0;
  ++ranks_;
}

void CreationCheck::add_node(int lowest_rank) noexcept {
  if (lowest_rank == placed_ranks_++) ++nodes_;
  nodes_digest_ = Digest().add(nodes_digest_).add(lowest_rank).value();
}

SelectionFacts CreationCheck::conclude(Bootstrap& ranks) const {
  require_right_options(ranks);
  require_same_parts(ranks);
  SelectionFacts facts;
  if (inherited_ != nullptr) {
    facts = *inherited_;
  } else {
    settle_costs(ranks, facts);
    settle_rules(ranks, facts);
  }
  settle_description(facts);
  Digest digest;
  digest.add(first_digest_).add(ranks_).add(nodes_digest_).add(facts.costs).add(facts.description);
  if (facts.rules != nullptr) {
    for (const AlgorithmRule& rule : *facts.rules) digest.add(std::string_view(rule.words));
  }
  facts.digest = digest.value();
  return facts;
}

void CreationCheck::require_right_options(Bootstrap& ranks) const {
  if (first_problem_ < 0) return;
  std::array<char, 1024> message{};
  put(message, problem_);
  ranks.broadcast(message.data(), message.size(), first_problem_);
  // Who is wrong itself hears of that; the others, whose fault it is.
  if (!problem_.empty()) throw InvalidArgument(problem_);
  throw InvalidArgument(text("rank ", first_problem_, ": ", message.data()));
}

void CreationCheck::require_same_parts(Bootstrap& ranks) const {
  if (!differ_) return;
  const std::size_t parts = parts_.size();
  std::vector<std::uint64_t> all(parts * static_cast<std::size_t>(ranks_));
  ranks.all_gather(parts_.data(), all.data(), parts * sizeof(parts_.front()));
  std::string why;
  for (std::size_t part = 0; part < parts; ++part) {
    constexpr int kShown = 8;
    int others = 0;
    std::string names;
    for (int rank = 1; rank < ranks_; ++rank) {
      if (all[static_cast<std::size_t>(rank) * parts + part] == all[part]) continue;
      if (++others <= kShown) names += text(others == 1 ? "" : ", ", rank);
    }
    if (others == 0) continue;
    if (others > kShown) names += text(" and ", others - kShown, " more");
    why += text(why.empty() ? "" : "; ", kParts[part].name, " differ between rank 0 and rank", others == 1 ? " " : "s ",
                names);
  }
  throw InvalidArgument(text("Communicator: ", why));
}

/// Rank 0 reads the file, and tells the others what is in it, or what is wrong.
void CreationCheck::settle_rules(Bootstrap& ranks, SelectionFacts& facts) {
  AlgorithmRules rules = own_rules();
  if (const std::string file = rules_file_of_environment(); !file.empty()) {
    std::string content;
    int problem = 0;
    if (ranks.rank() == 0) {
      try {
        content = read_rules_file(file);
        if (content.size() > kMostRuleBytes)
          throw InvalidArgument(text(kRulesFileVariable, ": ", file, " has more than ", kMostRuleBytes, " bytes"));
      } catch (const InvalidArgument& error) {
        content = error.what();
        problem = 1;
      }
    }
    int told[2] = {problem, static_cast<int>(content.size())};
    ranks.broadcast(told, sizeof told, 0);
    content.resize(static_cast<std::size_t>(told[1]));
    ranks.broadcast(content.data(), content.size(), 0);
    if (told[0] != 0) throw InvalidArgument(content);
    for (AlgorithmRule& rule : parse_rules_file(content, file)) rules.push_back(std::move(rule));
  }
  if (!rules.empty()) facts.rules = std::make_shared<const AlgorithmRules>(std::move(rules));
}

void CreationCheck::settle_description(SelectionFacts& facts) const {
  if (inherited_ == nullptr) facts.description = described_network(options_);
  if (!facts.description || facts.description.torus.nodes() == nodes_) return;
  if (inherited_ == nullptr && options_.network)
    throw InvalidArgument(text("Communicator: options.network is a torus ", facts.description.torus.text(), " of ",
                               facts.description.torus.nodes(), " nodes, and the ranks are on ", nodes_));
  facts.description = {};
}

void CreationCheck::settle_costs(Bootstrap& ranks, SelectionFacts& facts) const {
  facts.network = all_have_rdma_ ? NetworkClass::rdma : NetworkClass::tcp;
  facts.costs = {kSharedMemoryCosts, built_in_costs(facts.network)};
  if (options_.costs) {
    facts.costs = *options_.costs;
    facts.source = CostSource::option;
    return;
  }
  if (!tuning_named_) return;
  Verdict verdict{};
  if (ranks.rank() == 0) verdict = judge(named_tuning_file(options_), !options_.tuning_file.empty(), facts.network);
  ranks.broadcast(&verdict, sizeof verdict, 0);
  facts.tuning_file = verdict.file.data();
  facts.refused = verdict.refused.data();
  if (verdict.is_error) throw InvalidArgument(text("Communicator: ", facts.refused));
  if (!facts.refused.empty()) return;
  facts.source = CostSource::tuning_file;
  TransportCosts* levels[2] = {&facts.costs.node, &facts.costs.network};
  for (int level = 0; level < 2; ++level) {
    for (int i = 0; i < 7; ++i) levels[level]->*kCosts[i] = verdict.costs[level][i];
    levels[level]->overlaps = verdict.overlaps[level];
  }
}

}  // namespace tutti::detail

namespace tutti {

std::string_view name(CostSource source) noexcept {
  switch (source) {
    case CostSource::option:
      return "the option costs";
    case CostSource::tuning_file:
      return "the tuning file";
    case CostSource::built_in:
      break;
  }
  return "built-in constants";
}

}  // namespace tutti
