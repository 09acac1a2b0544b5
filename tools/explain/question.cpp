// Asking the choice of algorithms; see question.hpp.
#include "tools/explain/question.hpp"

#include <fmt/format.h>
#include <mpi.h>

#include <algorithm>
#include <cstdlib>
#include <utility>

#include <tutti/allreduce/allreduce_table.hpp>
#include <tutti/collectives/inspect/communicator.hpp>
#include <tutti/collectives/inspect/mpi.hpp>
#include <tutti/collectives/inspect/selection.hpp>
#include <tutti/kernels/error.hpp>
#include <tutti/kernels/names.hpp>
#include <tutti/kernels/text.hpp>

#include "tools/command_line.hpp"

namespace tutti::tools {
namespace {

constexpr std::size_t kPairBytes = 4096;  // what every pair is taken to exchange where only the pair knows

bool has_uneven_form(Collective collective) noexcept { return has_bound_blocks(collective); }

/// What the command line says of the network, or else the environment, as a communicator takes it.
/// \throws InvalidArgument if the command line describes another number of nodes than the ranks fill.
NetworkDescription described_network(const ExplainOptions& options) {
  const char* variable = std::getenv("TUTTI_NETWORK");
  const std::string description = options.network.empty() && variable != nullptr ? variable : options.network;
  if (description.empty()) return {};
  const NetworkDescription network = parse_network(description);
  const int nodes = network.torus.nodes();
  const int filled = (options.ranks + options.ranks_per_node - 1) / options.ranks_per_node;
  const bool even = options.ranks % options.ranks_per_node == 0;
  if (even && filled == nodes) return network;
  if (options.network.empty()) return {};
  if (!even)
    throw InvalidArgument(text("explain: --network needs equally many ranks on every node; --ranks ", options.ranks,
                               " does not divide by --ranks-per-node ", options.ranks_per_node));
  throw InvalidArgument(
      text("explain: --network describes ", nodes, nodes == 1 ? " node" : " nodes", ", but --ranks ", options.ranks,
           options.ranks_per_node == 1 ? std::string() : text(" with --ranks-per-node ", options.ranks_per_node),
           " needs ", filled));
}

CostContext cost_context(int most_on_node, bool one_node, const LevelCosts& costs, const NetworkDescription& network) {
  if (one_node) return {};
  return {.ranks_per_node = most_on_node, .node_byte = most_on_node > 1 ? costs.node.byte : 0, .network = network};
}

AlgorithmRules environment_rules() {
  AlgorithmRules rules = parse_rules(rules_of_environment(), kRulesVariable);
  if (const std::string file = rules_file_of_environment(); !file.empty()) {
    for (AlgorithmRule& rule : parse_rules_file(read_rules_file(file), file)) rules.push_back(std::move(rule));
  }
  return rules;
}

/// Why an algorithm that is named cannot run.
const char* why_no_plan(const Question& question, std::string_view algorithm) {
  const Algorithm* const row = find_algorithm(question.table(), question.collective, algorithm);
  return row != nullptr && row->staged != nullptr ? "needs several nodes, one of them with several ranks"
                                                  : "needs the same count of every rank";
}

/// The plan that is staged, if it is a candidate, in more words.
void add_stages(const Question& question, Ranks& ranks, Answer& answer) {
  for (const Plan& plan : answer.plans) {
    if (plan.algorithm->staged == nullptr) continue;
    answer.stages = detail::plan_stages(ranks.levels->prices, question.bytes, plan.segments);
  }
}

/// The fastest plan of a rule first; none if it cannot serve the call, which `why` then says.
std::vector<Plan> plans_of(const AlgorithmRule& rule, const Question& question, Ranks& ranks, std::string& why) {
  if (rule.radix > std::max(2, ranks.count)) {
    why = fmt::format("radix {} is more than the {} ranks", rule.radix, ranks.count);
    return {};
  }
  std::vector<Plan> plans = ranks.selector.candidates(question.table(), question.collective, question.bytes,
                                                      {.algorithm = rule.algorithm,
                                                       .radix = rule.radix,
                                                       .segment_bytes = rule.segment_bytes,
                                                       .uneven = question.uneven,
                                                       .levels = ranks.prices()});
  if (plans.empty()) why = text("its algorithm ", why_no_plan(question, rule.algorithm));
  return plans;
}

/// Whether a rule decides, and then `answer` is what it says.
bool decided_by_rule(const Question& question, Ranks& ranks, Answer& answer) {
  if (ranks.rules == nullptr) return false;
  for (const AlgorithmRule& rule : *ranks.rules) {
    if (!rule.fits(question.collective, question.bytes, question.uneven)) continue;
    if (rule.algorithm.empty() && rule.radix == 0 && rule.segment_bytes == 0) {
      answer.rule = &rule;
      return false;  // auto: the model decides
    }
    std::string why;
    if (auto plans = plans_of(rule, question, ranks, why); !plans.empty()) {
      answer.plans = std::move(plans);
      answer.rule = &rule;
      return true;
    }
    answer.passed_over.push_back(fmt::format("rule '{}' of {} is passed over: {}", rule.words, rule.place, why));
  }
  return false;
}

}  // namespace

std::span<const Algorithm* const> Question::table() const {
  return collective == Collective::allreduce ? allreduce_algorithms() : collective_algorithms();
}

std::vector<std::string> explained_collectives() {
  std::vector<std::string> names;
  for (const Collective collective : kAllCollectives) {
    names.emplace_back(name(collective));
    if (has_uneven_form(collective)) names.push_back(names.back() + "_v");
  }
  return names;
}

Question question_of(const ExplainOptions& options, int ranks) {
  const std::string wanted = spelled_collective(options.collective);
  Question question{.algorithm = options.algorithm, .radix = options.radix};
  const std::vector<std::string> names = explained_collectives();
  if (std::find(names.begin(), names.end(), wanted) == names.end())
    throw InvalidArgument(text("explain: ", unknown_name("collective", options.collective, names)));
  question.uneven = wanted.size() > 2 && wanted.compare(wanted.size() - 2, 2, "_v") == 0;
  const std::string base = question.uneven ? wanted.substr(0, wanted.size() - 2) : wanted;
  for (const Collective collective : kAllCollectives) {
    if (name(collective) == base) question.collective = collective;
  }
  question.bytes = question.counted_by_pair() ? static_cast<std::size_t>(ranks) * kPairBytes
                                              : parse_size("explain: --bytes", options.bytes);
  if (!options.algorithm.empty() &&
      find_algorithm(question.table(), question.collective, options.algorithm) == nullptr) {
    std::vector<std::string> known;
    for (const Algorithm* row : question.table()) {
      if (row->collective == question.collective) known.emplace_back(row->name);
    }
    throw InvalidArgument(text("explain: ", unknown_name(base + " algorithm", options.algorithm, known)));
  }
  if (options.radix != 0 && (options.radix < 2 || options.radix > std::max(2, ranks))) {
    throw InvalidArgument(text("explain: --radix ", options.radix, " is out of range: with ", ranks,
                               " ranks it must be ", ranks <= 2 ? text("2") : text("2 to ", ranks)));
  }
  return question;
}

int Ranks::nodes() const { return *std::max_element(node_of.begin(), node_of.end()) + 1; }
int Ranks::most_on_node() const { return detail::largest_node(node_of); }

Ranks imagined_ranks(const ExplainOptions& options) {
  if (options.ranks < 2) throw InvalidArgument(text("explain: --ranks ", options.ranks, " is less than 2"));
  if (options.ranks > 1 << 20) throw InvalidArgument(text("explain: --ranks ", options.ranks, " is more than 2^20"));
  if (options.ranks_per_node < 1 || options.ranks_per_node > options.ranks) {
    throw InvalidArgument(text("explain: --ranks-per-node ", options.ranks_per_node,
                               " is out of range: it must be 1 to ", options.ranks));
  }
  ExplainedCosts costs = find_costs(options);
  costs.one_node = costs.one_node || options.ranks_per_node == options.ranks;
  const int per_node = costs.one_node ? options.ranks : options.ranks_per_node;
  const NetworkDescription network = costs.one_node ? NetworkDescription{} : described_network(options);
  std::vector<int> node_of(static_cast<std::size_t>(options.ranks));
  for (std::size_t rank = 0; rank < node_of.size(); ++rank) node_of[rank] = static_cast<int>(rank) / per_node;
  Selector selector(options.ranks, costs.used(), cost_context(per_node, costs.one_node, costs.levels, network));
  Ranks ranks{.count = options.ranks,
              .node_of = std::move(node_of),
              .shares_memory = detail::wants_shared_memory(std::nullopt),
              .from = {},
              .costs = std::move(costs),
              .tuning = named_tuning(options),
              .network = network,
              .selector = std::move(selector),
              .levels = std::nullopt,
              .rules = nullptr};
  if (detail::has_two_levels(ranks.node_of)) {
    ranks.levels =
        detail::make_hierarchy(ranks.node_of, 0, ranks.costs.levels.node, ranks.costs.levels.network, network);
  }
  ranks.rules = rules_for(environment_rules(), ranks.node_of.size(), static_cast<std::size_t>(ranks.nodes()),
                          static_cast<std::size_t>(ranks.most_on_node()));
  return ranks;
}

Ranks ranks_of(const Communicator& comm) {
  const SelectionFacts& facts = comm.selection_facts();
  std::vector<int> node_of(static_cast<std::size_t>(comm.size()));
  detail::check_mpi(MPI_Allgather(&comm.topology().node, 1, MPI_INT, node_of.data(), 1, MPI_INT, comm.mpi()),
                    "MPI_Allgather");
  ExplainedCosts costs;
  costs.levels = facts.costs;
  costs.one_node = comm.topology().nodes == 1;
  costs.source = facts.source;
  costs.refused = facts.refused;
  Ranks ranks{.count = comm.size(),
              .node_of = std::move(node_of),
              .shares_memory = facts.shared_memory,
              .from = ", as launched",
              .costs = std::move(costs),
              .tuning = facts.tuning_file,
              .network = facts.description,
              .selector = comm.state().everyone().selector(),
              .levels = std::nullopt,
              .rules = nullptr};
  if (detail::has_two_levels(ranks.node_of)) {
    ranks.levels = detail::make_hierarchy(ranks.node_of, 0, facts.costs.node, facts.costs.network, facts.description);
  }
  if (comm.state().rules() != nullptr) ranks.rules = std::make_shared<AlgorithmRules>(*comm.state().rules());
  return ranks;
}

Answer answer_to(const Question& question, Ranks& ranks) {
  Answer answer;
  const bool named = !question.algorithm.empty();
  if (named || !decided_by_rule(question, ranks, answer)) {
    answer.plans = ranks.selector.candidates(question.table(), question.collective, question.bytes,
                                             {.algorithm = question.algorithm,
                                              .radix = question.radix,
                                              .uneven = question.uneven,
                                              .levels = ranks.prices()});
    if (answer.plans.empty())
      throw InvalidArgument(
          text("explain: algorithm '", question.algorithm, "' ", why_no_plan(question, question.algorithm)));
    const bool chosen = !named && question.radix == 0;
    if (ranks.nodes() == 1 && ranks.shares_memory && chosen && !question.counted_by_pair())
      answer.winner = Winner::node_memory;
  }
  add_stages(question, ranks, answer);
  return answer;
}

}  // namespace tutti::tools
