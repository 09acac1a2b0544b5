// `tutti explain`: which algorithm runs for a collective, and why; the table of algorithms, counted from the schedules;
// a schedule as a picture. It asks the same model that every call asks: for ranks that are thought of, without a
// launcher, or for those that a launcher started.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <charconv>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include <tutti/collectives/inspect/selection.hpp>
#include <tutti/kernels/error.hpp>
#include <tutti/kernels/text.hpp>
#include <tutti/kernels/whole_file.hpp>

#include "tools/command_line.hpp"
#include "tools/commands.hpp"
#include "tools/explain/answer_text.hpp"
#include "tools/explain/compression.hpp"
#include "tools/explain/drawing.hpp"
#include "tools/explain/question.hpp"
#include "tools/world.hpp"

namespace tutti::tools {
namespace {

void print_table(const std::vector<Collective>& collectives, int ranks, int radix) {
  fmt::print("{} ranks{}; bytes are those of the busiest rank; n: all blocks together\n\n", ranks,
             radix != 0 ? fmt::format(", radix {}", radix) : "");
  fmt::print("{:<15} {:<19} {:>6} {:>7} {:>9} {:>11} {:>8} {:>8} {:>11}\n", "collective", "algorithm", "radix",
             "rounds", "messages", "sent", "reduced", "scratch", "order");
  for (const Collective collective : collectives) {
    for (const Algorithm* row : Question{.collective = collective}.table()) {
      if (row->collective != collective) continue;
      if (row->staged != nullptr) {
        fmt::print("{:<15} {:<19} stages of other algorithms, by how many ranks the nodes have\n", name(collective),
                   row->name);
        continue;
      }
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

/// The stages of a hierarchical allreduce; those in the nodes as they are where ranks share no memory.
Picture hierarchical_picture(const Ranks& ranks, const detail::HierarchicalStages& stages) {
  std::vector<std::vector<int>> nodes(static_cast<std::size_t>(ranks.nodes()));
  for (int rank = 0; rank < ranks.count; ++rank) {
    nodes[static_cast<std::size_t>(ranks.node_of[static_cast<std::size_t>(rank)])].push_back(rank);
  }
  std::vector<std::vector<int>> across(static_cast<std::size_t>(ranks.levels->prices.slices));
  for (std::size_t slice = 0; slice < across.size(); ++slice) {
    for (const std::vector<int>& node : nodes) across[slice].push_back(node[slice]);
  }
  Picture picture;
  picture.ranks = ranks.count;
  const auto add = [&](const char* name, const Plan& plan, double share, const std::vector<std::vector<int>>& groups) {
    if (plan.algorithm == nullptr) return;
    append_stage(picture, fmt::format("{}: {}", name, plan.algorithm->name), *plan.algorithm, plan.radix, plan.torus,
                 share, groups);
  };
  add("reduce in nodes", stages.reduce_in_node, 1, nodes);
  add("across nodes", stages.across_nodes, 1.0 / ranks.levels->prices.slices, across);
  add("gather in nodes", stages.gather_in_node, 1, nodes);
  picture.title = fmt::format("hierarchical allreduce: {} ranks on {} nodes, {} rounds{}", ranks.count, ranks.nodes(),
                              picture.rounds, ranks.shares_memory ? "; in nodes by shared memory instead" : "");
  return picture;
}

/// "3" or "2-5". \throws InvalidArgument
std::pair<int, int> parse_rounds(const std::string& word) {
  int first = 0;
  const char* const end = word.data() + word.size();
  auto [at, error] = std::from_chars(word.data(), end, first);
  int last = first;
  if (error == std::errc() && at != end && *at == '-') {
    const auto second = std::from_chars(at + 1, end, last);
    at = second.ptr;
    error = second.ec;
  }
  if (error != std::errc() || at != end)
    throw InvalidArgument(text("explain: --rounds '", word, "' is not a range; write A-B, such as 2-5"));
  return {first, last};
}

bool is_crowded(const Picture& picture) {
  constexpr int kReadableRanks = 32;
  constexpr double kReadableMessages = 4;  // of a rank, in a round
  return picture.ranks > kReadableRanks || picture.rounds > kMostDrawnRounds ||
         static_cast<double>(picture.messages.size()) > kReadableMessages * picture.ranks * std::max(1, picture.rounds);
}

void write_drawing(const ExplainOptions& options, const Ranks& ranks, const Answer& answer) {
  const Plan& plan = answer.plans.front();
  Picture picture;
  if (answer.is_staged()) {
    picture = hierarchical_picture(ranks, *answer.stages);
  } else {
    picture = picture_of(*plan.algorithm, {ranks.count, plan.radix, plan.torus});
    if (answer.winner == Winner::node_memory) picture.title += " (without shared memory)";
  }
  if (!options.rounds.empty()) {
    const auto [first, last] = parse_rounds(options.rounds);
    keep_rounds(picture, first, last);
  }
  if (options.rank >= 0) keep_rank(picture, options.rank);
  const bool matrix = options.view == "matrix" || (options.view == "auto" && options.rank < 0 && is_crowded(picture));
  const std::string svg = matrix ? draw_matrix(picture) : draw_rounds(picture, options.rank);
  try {
    write_whole_file(options.draw, svg);
  } catch (const DataError& error) {
    throw DataError(text("explain: ", error.what()));
  }
  const std::string what = answer.is_staged() ? std::string(plan.algorithm->name) : plan_text(plan);
  fmt::print(options.json ? stderr : stdout, "{} drawn as {} in {}\n", what, matrix ? "a matrix" : "rounds",
             options.draw);
}

void explain_call(const ExplainOptions& options, Ranks& ranks) {
  const Question question = question_of(options, ranks.count);
  const Answer answer = answer_to(question, ranks);
  if (options.json) {
    fmt::print("{}\n", answer_json(question, ranks, answer).dump(2));
  } else {
    fmt::print("{}", answer_text(question, ranks, answer));
  }
  if (!options.draw.empty()) write_drawing(options, ranks, answer);
}

void explain_table(const ExplainOptions& options) {
  if (options.ranks < 2) throw InvalidArgument(text("explain: --ranks ", options.ranks, " is less than 2"));
  std::vector<Collective> collectives(std::begin(kAllCollectives), std::end(kAllCollectives));
  if (!options.collective.empty()) {
    ExplainOptions named = options;
    named.algorithm.clear();
    collectives = {question_of(named, options.ranks).collective};
  }
  print_table(collectives, options.ranks, options.radix);
}

/// The ranks that the launcher started.
void explain_launched(const ExplainOptions& options) {
  run_on_all_ranks({.tuning_file = options.tuning}, [&](const Communicator& comm) {
    if (comm.size() < 2)
      throw InvalidArgument("explain: --ranks is required, or a launcher: mpirun -n N tutti explain");
    Ranks ranks = ranks_of(comm);
    std::optional<std::string> problem;
    try {
      if (comm.rank() == 0) explain_call(options, ranks);
    } catch (const Error& error) {
      problem = error.what();
    }
    fail_together(comm, problem);
  });
}

void explain(const ExplainOptions& options, bool imagines) {
  if (options.collective.empty() && !options.table)
    throw InvalidArgument("explain: name a collective, or ask for --table");
  if (options.draw.empty() && (options.rank >= 0 || !options.rounds.empty() || options.view != "auto"))
    throw InvalidArgument("explain: --rank, --rounds and --view go with --draw only");
  if (options.table) {
    if (tools::launched_rank() == 0) explain_table(options);
    return;
  }
  if (options.ranks == 0) {
    if (imagines)
      throw InvalidArgument("explain: --ranks-per-node, --network, --class and --one-node go with --ranks only");
    return explain_launched(options);
  }
  if (tools::launched_rank() != 0) return;
  Ranks ranks = imagined_ranks(options);
  explain_call(options, ranks);
}

}  // namespace

void add_explain_command(CLI::App& app) {
  auto* command = app.add_subcommand(
      "explain", "Say which algorithm runs for a collective, and why; alone, or under mpirun for the launched ranks");
  auto options = std::make_shared<ExplainOptions>();
  command->add_option("collective", options->collective, fmt::to_string(fmt::join(explained_collectives(), ", ")))
      ->type_name("COLLECTIVE");
  command->add_option("--ranks", options->ranks, "Number of ranks (default: those that the launcher started)")
      ->type_name("N");
  auto* per_node =
      command
          ->add_option("--ranks-per-node", options->ranks_per_node, "Ranks per node (consecutive ranks share a node)")
          ->type_name("N")
          ->capture_default_str();
  command->add_option("--bytes", options->bytes, "Bytes of all blocks together, such as 64K or 1M")
      ->type_name("BYTES")
      ->capture_default_str();
  auto* network = command
                      ->add_option("--network", options->network,
                                   "Network between nodes: torus:8x8x4[,ports:2][,hop:1e-7] (default: TUTTI_NETWORK)")
                      ->type_name("TORUS");
  auto* one_node = command->add_flag("--one-node", options->one_node, "The same as --class shared-memory");
  auto* of_class = command
                       ->add_option("--class", options->transport,
                                    "Class of transport: shared-memory, rdma or tcp (default: this machine's network)")
                       ->check(CLI::IsMember({"shared-memory", "rdma", "tcp"}))
                       ->type_name("CLASS")
                       ->excludes(one_node);
  command->add_option("--tuning", options->tuning, "Take the costs from a file of `tutti tune` (default: TUTTI_TUNING)")
      ->type_name("FILE");
  command->add_option("--algorithm", options->algorithm, "Only this algorithm")->type_name("NAME");
  command->add_option("--radix", options->radix, "Only this radix: the ways that a tree or exchange branches")
      ->type_name("N");
  auto* table =
      command->add_flag("--table", options->table, "Print what every algorithm costs, counted from its schedule");
  command->add_option("--draw", options->draw, "Write a picture of what runs, as SVG")
      ->type_name("FILE")
      ->excludes(table);
  command
      ->add_option("--view", options->view,
                   "Picture: rounds (an arrow per message), matrix (a cell per pair of ranks), or auto")
      ->check(CLI::IsMember({"auto", "rounds", "matrix"}))
      ->type_name("VIEW")
      ->capture_default_str();
  command->add_option("--rank", options->rank, "Draw only the messages of this rank")
      ->check(CLI::NonNegativeNumber)
      ->type_name("RANK");
  command->add_option("--rounds", options->rounds, "Draw only these rounds, counted from 1")->type_name("A-B");
  command->add_flag("--json", options->json, "Print all candidates as JSON")->excludes(table);
  add_explain_compression(*command);
  command->callback([=] {
    if (!command->get_subcommands().empty()) return;
    const bool imagines = per_node->count() + network->count() + one_node->count() + of_class->count() > 0;
    explain(*options, imagines);
  });
}

}  // namespace tutti::tools
