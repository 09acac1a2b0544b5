// `tutti explain`: which algorithm runs for a collective, and why; the table of algorithms, counted from the schedules;
// a schedule as a picture. Needs no launcher: it asks the same model that every call asks.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include <tutti/allreduce/hierarchical.hpp>
#include <tutti/allreduce/table.hpp>
#include <tutti/collectives/choice.hpp>
#include <tutti/collectives/table.hpp>
#include <tutti/kernels/error.hpp>
#include <tutti/kernels/text.hpp>

#include "tools/command_line.hpp"
#include "tools/commands.hpp"
#include "tools/explain/costs.hpp"
#include "tools/explain/drawing.hpp"

namespace tutti::tools {
namespace {

struct ExplainOptions : CostOptions {
  std::string collective;
  int ranks = 0;
  int ranks_per_node = 1;
  std::string network;
  std::string bytes = "1M";
  bool table = false;
  std::string algorithm;
  int radix = 0;
  std::string draw;
  bool json = false;
};

Collective collective_named(const std::string& wanted) {
  std::vector<std::string> names;
  for (const Collective collective : kAllCollectives) {
    if (name(collective) == wanted) return collective;
    names.emplace_back(name(collective));
  }
  const std::string near = nearest(wanted, names);
  throw InvalidArgument(text(
      "explain: there is no collective '", wanted, "'",
      near.empty() ? text(", only ", fmt::to_string(fmt::join(names, ", "))) : text("; did you mean '", near, "'?")));
}

std::span<const Algorithm* const> table_of(Collective collective) {
  return collective == Collective::allreduce ? allreduce_algorithms() : collective_algorithms();
}

std::string time_text(double seconds) {
  if (seconds < 1e-3) return fmt::format("{:.2f} us", seconds * 1e6);
  if (seconds < 1) return fmt::format("{:.2f} ms", seconds * 1e3);
  return fmt::format("{:.2f} s", seconds);
}

nlohmann::json to_json(const Plan& plan) {
  return {{"algorithm", plan.algorithm->name},
          {"radix", plan.algorithm->radix == Radix::none ? nlohmann::json() : nlohmann::json(plan.radix)},
          {"segments", plan.segments},
          {"seconds", plan.predicted.total()},
          {"latency_seconds", plan.predicted.latency},
          {"overhead_seconds", plan.predicted.overhead},
          {"moving_seconds", plan.predicted.moving},
          {"local_seconds", plan.predicted.local}};
}

/// The best plan of each algorithm: the one that runs, then the others, the fastest first.
std::vector<Plan> best_of_each(const std::vector<Plan>& plans) {
  std::vector<Plan> best;
  for (const Plan& plan : plans) {
    const auto same = [&](const Plan& other) { return other.algorithm == plan.algorithm; };
    if (std::none_of(best.begin(), best.end(), same)) best.push_back(plan);
  }
  return best;
}

std::string plan_text(const Plan& plan) {
  std::string out(plan.algorithm->name);
  if (plan.algorithm->radix != Radix::none) out += fmt::format(" of radix {}", plan.radix);
  if (plan.segments > 1) out += fmt::format(" in {} segments", plan.segments);
  return out;
}

/// What the winner saves most against `other`, and what it pays.
std::string reason(const Plan& winner, const Plan& other) {
  struct Term {
    const char* name;
    double saved;
  };
  Term terms[] = {{"waiting for messages", other.predicted.latency - winner.predicted.latency},
                  {"overhead of messages", other.predicted.overhead - winner.predicted.overhead},
                  {"moving bytes", other.predicted.moving - winner.predicted.moving},
                  {"reducing and copying", other.predicted.local - winner.predicted.local}};
  std::sort(std::begin(terms), std::end(terms), [](const Term& a, const Term& b) { return a.saved > b.saved; });
  std::string out = fmt::format("saves {} of {}", time_text(terms[0].saved), terms[0].name);
  if (terms[3].saved < -0.01 * winner.predicted.total()) {
    out += fmt::format(" for {} more of {}", time_text(-terms[3].saved), terms[3].name);
  }
  return out;
}

/// Why the first plan runs.
std::string why(const std::vector<Plan>& plans, const std::vector<Plan>& best_of_algorithms, double as_good) {
  const Plan& winner = plans.front();
  const Plan& fastest = *std::min_element(plans.begin(), plans.end(), [](const Plan& a, const Plan& b) {
    return a.predicted.total() < b.predicted.total();
  });
  if (fastest.predicted.total() < winner.predicted.total()) {
    const std::string decides =
        winner.messages < fastest.messages
            ? fmt::format("the messages of a rank, {:.0f} to {:.0f}", winner.messages, fastest.messages)
            : "the order of reduction, by rank";
    return fmt::format("{} is predicted {:.1f}% faster, and within {:.0f}% what decides is {}", plan_text(fastest),
                       100 * (winner.predicted.total() / fastest.predicted.total() - 1), 100 * (as_good - 1), decides);
  }
  if (best_of_algorithms.size() == 1) return "there is no other algorithm";
  return fmt::format("next to {} it {}", plan_text(best_of_algorithms[1]), reason(winner, best_of_algorithms[1]));
}

/// The allreduce on two levels, where several nodes have several ranks.
std::optional<detail::HierarchicalPlan> two_levels(Collective collective, const ExplainOptions& options,
                                                   std::size_t bytes, const ExplainedCosts& found,
                                                   const NetworkDescription& network) {
  const bool one_level = found.one_node || options.ranks_per_node == 1 || options.ranks_per_node == options.ranks;
  if (collective != Collective::allreduce || one_level || !options.algorithm.empty()) return std::nullopt;
  std::vector<int> node_of(static_cast<std::size_t>(options.ranks));
  for (int rank = 0; rank < options.ranks; ++rank) {
    node_of[static_cast<std::size_t>(rank)] = rank / options.ranks_per_node;
  }
  detail::Hierarchy levels = detail::make_hierarchy(node_of, 0, found.levels.node, found.levels.network, network);
  return detail::plan_hierarchical(levels, bytes, 0);
}

/// What the command line says of the network, or else the environment, as a communicator takes it.
/// \throws InvalidArgument if the command line describes another number of nodes than the ranks fill.
NetworkDescription described_network(const ExplainOptions& options) {
  const char* variable = std::getenv("TUTTI_NETWORK");
  const std::string description = options.network.empty() && variable != nullptr ? variable : options.network;
  if (description.empty()) return {};
  const NetworkDescription network = parse_network(description);
  const int nodes = network.torus.nodes();
  if (options.ranks % options.ranks_per_node != 0 || options.ranks / options.ranks_per_node != nodes) {
    if (options.network.empty()) return {};
    throw InvalidArgument(text("explain: --network is a torus of ", nodes, " nodes, --ranks ", options.ranks,
                               " with --ranks-per-node ", options.ranks_per_node, " another number"));
  }
  return network;
}

Surroundings surroundings(const ExplainOptions& options, const ExplainedCosts& found,
                          const NetworkDescription& network) {
  if (found.one_node) return {};
  return {.ranks_per_node = options.ranks_per_node,
          .node_byte = options.ranks_per_node > 1 ? found.levels.node.byte : 0,
          .network = network};
}

/// Whether such a call needs no schedule, if the node lets ranks share memory.
bool runs_in_node_memory(Collective collective, const ExplainOptions& options, const ExplainedCosts& found) {
  return collective == Collective::allreduce && options.algorithm.empty() && options.radix == 0 &&
         (found.one_node || options.ranks_per_node == options.ranks);
}

void print_choice(Collective collective, const ExplainOptions& options, std::size_t bytes, const ExplainedCosts& found,
                  const NetworkDescription& network, const Chooser& chooser, const std::vector<Plan>& plans,
                  const std::optional<detail::HierarchicalPlan>& hierarchical) {
  const TransportCosts& costs = found.used();
  if (!found.refused.empty()) fmt::print("{} is refused: {}\n", options.tuning, found.refused);
  fmt::print("{} of {} on {} ranks over {}: latency {}, overhead {} per message, {:.1f} GB/s per link\n",
             name(collective), format_size(bytes), options.ranks, costs.name, time_text(costs.latency),
             time_text(costs.overhead), 1e-9 / costs.byte);
  fmt::print("costs: {}{}{}{}\n\n", name(found.source),
             found.source == CostSource::tuning_file ? " " + options.tuning : "", found.why,
             network ? ", " + to_text(network) : "");
  if (runs_in_node_memory(collective, options, found)) {
    fmt::print(
        "Ranks of one node do it in each other's memory, without a schedule (allreduce/README.md); with "
        "TUTTI_SHARED_MEMORY=0 by messages:\n\n");
  }
  fmt::print("{:<20} {:>6} {:>9} {:>12} {:>11} {:>11} {:>11} {:>11}\n", "algorithm", "radix", "segments", "predicted",
             "waiting", "overhead", "moving", "local");
  const std::vector<Plan> best = best_of_each(plans);
  for (const Plan& plan : best) {
    const bool has_radix = plan.algorithm->radix != Radix::none;
    fmt::print("{:<20} {:>6} {:>9} {:>12} {:>11} {:>11} {:>11} {:>11}\n", plan.algorithm->name,
               has_radix ? fmt::to_string(plan.radix) : "-", plan.segments, time_text(plan.predicted.total()),
               time_text(plan.predicted.latency), time_text(plan.predicted.overhead), time_text(plan.predicted.moving),
               time_text(plan.predicted.local));
  }
  if (!hierarchical) {
    fmt::print("\n{} runs: {}.\n", plan_text(plans.front()), why(plans, best, chooser.as_good()));
    return;
  }
  const bool runs = hierarchical->seconds < plans.front().predicted.total();
  fmt::print("{:<20} {:>6} {:>9} {:>12}\n\n", detail::kHierarchical, "-", hierarchical->chunks,
             time_text(hierarchical->seconds));
  fmt::print("{} runs: {} on one level is predicted to take {}, {} on two {}.\n",
             runs ? std::string(detail::kHierarchical) : plan_text(plans.front()), plan_text(plans.front()),
             time_text(plans.front().predicted.total()), detail::kHierarchical, time_text(hierarchical->seconds));
}

void print_table(const std::vector<Collective>& collectives, int ranks, int radix) {
  fmt::print("{} ranks{}; bytes are those of the busiest rank, in data of all blocks together\n\n", ranks,
             radix != 0 ? fmt::format(", radix {}", radix) : "");
  fmt::print("{:<15} {:<19} {:>6} {:>7} {:>9} {:>11} {:>8} {:>8} {:>11}\n", "collective", "algorithm", "radix",
             "rounds", "messages", "sent", "reduced", "scratch", "order");
  for (const Collective collective : collectives) {
    for (const Algorithm* row : table_of(collective)) {
      if (row->collective != collective) continue;
      const bool has_radix = row->radix != Radix::none;
      const int its_radix = has_radix && radix != 0 ? radix : 2;
      const Profile its = profile(*row, {ranks, its_radix});
      fmt::print("{:<15} {:<19} {:>6} {:>7} {:>9.0f} {:>9.3f} n {:>6.2f} n {:>8} {:>11}\n", name(collective), row->name,
                 has_radix ? fmt::to_string(its_radix) : "-", its.rounds, its.rank.messages, its.rank.moved,
                 its.rank.reduced, its.scratch ? "n" : "-",
                 !reduces(collective)   ? "-"
                 : row->canonical_order ? "rank order"
                                        : "fixed");
    }
  }
}

void write_drawing(const std::string& file, const Plan& plan, int ranks) {
  const std::string svg = draw_schedule(*plan.algorithm, {ranks, plan.radix, plan.torus});
  std::ofstream out(file, std::ios::binary);
  out << svg;
  out.close();
  if (!out) throw Error(text("explain: cannot write ", file));
  fmt::print("{} drawn in {}\n", plan_text(plan), file);
}

void explain(const ExplainOptions& options) {
  if (options.ranks < 2) throw InvalidArgument(text("explain: --ranks is ", options.ranks, ", less than 2"));
  if (options.ranks > 1 << 20) throw InvalidArgument(text("explain: --ranks is ", options.ranks, ", more than 2^20"));
  if (options.radix != 0 && (options.radix < 2 || options.radix > options.ranks)) {
    throw InvalidArgument(text("explain: --radix is ", options.radix, ", not one of 2 to ", options.ranks));
  }
  if (options.ranks_per_node < 1 || options.ranks_per_node > options.ranks) {
    throw InvalidArgument(
        text("explain: --ranks-per-node is ", options.ranks_per_node, ", not one of 1 to ", options.ranks));
  }
  if (options.table) {
    std::vector<Collective> collectives(std::begin(kAllCollectives), std::end(kAllCollectives));
    if (!options.collective.empty()) collectives = {collective_named(options.collective)};
    return print_table(collectives, options.ranks, options.radix);
  }
  if (options.collective.empty()) throw InvalidArgument("explain: name a collective, or ask for --table");
  const Collective collective = collective_named(options.collective);
  const std::size_t bytes = parse_size("explain: --bytes", options.bytes);
  const auto table = table_of(collective);
  if (!options.algorithm.empty() && find_algorithm(table, collective, options.algorithm) == nullptr) {
    throw InvalidArgument(text("explain: there is no ", options.collective, " '", options.algorithm, "'"));
  }
  const ExplainedCosts found = find_costs(options);
  const NetworkDescription network = found.one_node ? NetworkDescription{} : described_network(options);
  Chooser chooser(options.ranks, found.used(), surroundings(options, found, network));
  const std::vector<Plan> plans =
      chooser.candidates(table, collective, bytes, {.algorithm = options.algorithm, .radix = options.radix});
  const auto hierarchical = two_levels(collective, options, bytes, found, network);
  if (options.json) {
    nlohmann::json rows = nlohmann::json::array();
    for (const Plan& plan : plans) rows.push_back(to_json(plan));
    nlohmann::json all = {{"collective", options.collective},
                          {"ranks", options.ranks},
                          {"bytes", bytes},
                          {"ranks_per_node", options.ranks_per_node},
                          {"network", to_text(network)},
                          {"in_node_memory", runs_in_node_memory(collective, options, found)},
                          {"transport", found.used().name},
                          {"costs_from", name(found.source)},
                          {"tuning_file", options.tuning},
                          {"tuning_refused", found.refused},
                          {"candidates", rows}};
    if (hierarchical) all["hierarchical"] = {{"chunks", hierarchical->chunks}, {"seconds", hierarchical->seconds}};
    fmt::print("{}\n", all.dump(2));
  } else {
    print_choice(collective, options, bytes, found, network, chooser, plans, hierarchical);
  }
  if (!options.draw.empty()) write_drawing(options.draw, plans.front(), options.ranks);
}

}  // namespace

void add_explain_command(CLI::App& app) {
  auto* command = app.add_subcommand("explain", "Which algorithm runs for a collective, and why; needs no launcher");
  auto options = std::make_shared<ExplainOptions>();
  command->add_option("collective", options->collective, "allreduce, broadcast, all_gather, ...");
  command->add_option("--ranks", options->ranks, "Number of ranks")->required();
  command->add_option("--ranks-per-node", options->ranks_per_node, "Ranks that follow each other on a node")
      ->capture_default_str();
  command->add_option("--bytes", options->bytes, "Bytes of all blocks together, such as 64K or 1M")
      ->capture_default_str();
  command->add_option(
      "--network", options->network,
      "What is known of the nodes' network: torus:8x8x4, and ,ports:2 and ,hop:1e-7 (seconds); default: "
      "TUTTI_NETWORK, if it has as many nodes");
  auto* one_node = command->add_flag("--one-node", options->one_node, "The same as --class shared-memory");
  command
      ->add_option("--class", options->transport,
                   "Class of transport: shared-memory, network (a fabric) or tcp; default: this machine's network")
      ->check(CLI::IsMember({"shared-memory", "network", "tcp"}))
      ->excludes(one_node);
  command->add_option("--tuning", options->tuning, "Take the costs from a file that `tutti tune` wrote")
      ->envname("TUTTI_TUNING")
      ->type_name("FILE");
  command->add_option("--algorithm", options->algorithm, "Only this one");
  command->add_option("--radix", options->radix, "Only this radix");
  command->add_flag("--table", options->table, "Print what every algorithm costs, counted from its schedule");
  command->add_option("--draw", options->draw, "Write a picture of the winner's rounds, as SVG");
  command->add_flag("--json", options->json, "Print all candidates as JSON");
  command->callback([options] { explain(*options); });
}

}  // namespace tutti::tools
