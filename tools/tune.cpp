// `tutti tune`: measures what messages and bytes cost inside a node and between nodes, and writes the tuning file that
// communicators choose algorithms by (collectives/selection/tuning.hpp).
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <tutti/collectives/inspect/costs.hpp>
#include <tutti/kernels/error.hpp>
#include <tutti/kernels/text.hpp>

#include "tools/command_line.hpp"
#include "tools/commands.hpp"
#include "tools/result_file.hpp"
#include "tools/tune/measure.hpp"
#include "tools/tune/suspicion.hpp"
#include "tools/tune/verify.hpp"
#include "tools/world.hpp"

namespace tutti::tools {
namespace {

struct TuneOptions {
  std::string out;
  bool json = false;
  bool force = false;
  bool verify = true;
};

/// A level of the file: where it was measured, what with.
struct Level {
  const char* name;
  TransportCosts built_in;
  std::optional<MeasuredLevel> measured;
};

void print_level(const Level& level) {
  if (!level.measured) {
    fmt::print("{:<8} not measured: no two ranks for it; built-in constants of {}\n", level.name, level.built_in.name);
    return;
  }
  for (std::size_t i = 0; i < kMeasuredCount; ++i) {
    const MeasuredCost& cost = kMeasuredCosts[i];
    fmt::print("{:<8} {:<9} {:>12.3f} {:>12.3f} {:>9.2f}  {}\n", level.name, cost.name,
               level.built_in.*cost.value * cost.unit, level.measured->costs.*cost.value * cost.unit,
               level.measured->rounds[i].spread(), cost.unit_name);
  }
}

/// Measures a level between two ranks; again, up to three times, while its figures cannot be believed.
Level measure_level(const Communicator& comm, const char* name, const RankPair& pair, const TransportCosts& built_in) {
  constexpr int kTries = 3;
  Level level{name, built_in, std::nullopt};
  for (int i = 0; pair && i < kTries; ++i) {
    level.measured = measure_costs(comm, pair, built_in);
    if (find_suspicions(name, built_in, *level.measured).empty()) break;
  }
  return level;
}

/// What is hard to believe of the levels, in a sentence; empty if nothing is.
std::string suspicions_of(const Level& node, const Level& network) {
  std::string all;
  for (const Level* level : {&node, &network}) {
    if (!level->measured) continue;
    for (const std::string& one : find_suspicions(level->name, level->built_in, *level->measured)) {
      all += text(all.empty() ? "" : "; ", one);
    }
  }
  return all;
}

void print_verified(const std::vector<VerifiedChoice>& choices) {
  if (choices.empty()) return;
  fmt::print("\nverified by messages, microseconds\n{:<11} {:>6}  {:<32} {:>10} {:>10}  {:<32} {:>10} {:>10}\n",
             "collective", "bytes", "chosen", "predicted", "measured", "next best", "predicted", "measured");
  for (const VerifiedChoice& choice : choices) {
    fmt::print(
        "{:<11} {:>6}  {:<32} {:>10.1f} {:>10.1f}  {:<32} {:>10.1f} {:>10.1f}{}\n", choice.collective,
        format_size(choice.bytes), choice.chosen.name, choice.chosen.predicted * 1e6, choice.chosen.measured * 1e6,
        choice.other.name, choice.other.predicted * 1e6, choice.other.measured * 1e6,
        choice.is_wrong() ? fmt::format("  wrong: {:.1f}x", choice.chosen.measured / choice.other.measured) : "");
  }
  const std::string rules = mending_rules(choices);
  if (!rules.empty()) fmt::print("\nfaster where the choice is wrong: TUTTI_ALGORITHM=\"{}\"\n", rules);
}

void tune(const Communicator& comm, const TuneOptions& options) {
  if (comm.size() == 1)
    throw InvalidArgument("tune: one rank has nothing to measure: start two or more, mpirun -n 2 tutti tune");
  ResultFile file("tune: --out", comm.rank() == 0 ? options.out : "");
  fail_together(comm, file.problem());
  const NetworkClass network_class = comm.selection_facts().network;
  Tuning tuning;
  tuning.measured_on = local_fingerprint(network_class);
  const RankPairs pairs = find_pairs(comm);
  const Level node = measure_level(comm, "node", pairs.node, kSharedMemoryCosts);
  const Level network = measure_level(comm, "network", pairs.network, built_in_costs(network_class));
  tuning.node_measured = node.measured.has_value();
  tuning.network_measured = network.measured.has_value();
  tuning.costs.node = node.measured ? node.measured->costs : node.built_in;
  tuning.costs.network = network.measured ? network.measured->costs : network.built_in;
  const bool prints = comm.rank() == 0 && !options.json;
  if (prints) {
    fmt::print("{:<8} {:<9} {:>12} {:>12} {:>9}\n", "level", "cost", "built in", "measured", "spread");
    print_level(node);
    print_level(network);
  }
  const std::string doubts = suspicions_of(node, network);
  if (!doubts.empty() && !options.force) {
    throw InvalidArgument(text("tune: nothing is written: ", doubts,
                               ". Is a node busy? Run it again when it is idle, or write it with --force"));
  }
  if (comm.rank() == 0 && !doubts.empty()) fmt::print(stderr, "tutti: warning: tune: {}\n", doubts);
  if (options.verify) {
    const std::vector<VerifiedChoice> choices = verify_choices(comm, tuning.costs);
    if (prints) print_verified(choices);
  }
  if (comm.rank() != 0) return;
  const std::string content = tuning_text(tuning);
  file.write(content);
  if (options.json) fmt::print("{}", content);
  if (prints && !options.out.empty())
    fmt::print("\nwritten to {}: TUTTI_TUNING={} or CommunicatorOptions::tuning_file\n", options.out, options.out);
}

}  // namespace

void add_tune_command(CLI::App& app) {
  auto* command = app.add_subcommand(
      "tune", "Measure what messages and bytes cost, for the choice of algorithms: mpirun -n N tutti tune --out FILE");
  const auto options = std::make_shared<TuneOptions>();
  command->add_option("--out", options->out, "Write the tuning file")->type_name("FILE");
  command->add_flag("--json", options->json, "Print the file's content instead of a table");
  command->add_flag("--force", options->force, "Write costs that are hard to believe, as of a busy node");
  command->add_flag("!--no-verify", options->verify, "Do not measure the two best candidates of each size");
  command->callback([options] {
    if (options->out.empty() && !options->json) throw InvalidArgument("tune: give --out FILE, or --json");
    run_on_all_ranks({.timeout = std::chrono::seconds(300)}, [&](const Communicator& comm) { tune(comm, *options); });
  });
}

}  // namespace tutti::tools
