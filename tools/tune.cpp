// `tutti tune`: measures what messages and bytes cost inside a node and between nodes, and writes the tuning file that
// communicators choose algorithms by (collectives/tuning.hpp).
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <memory>
#include <optional>
#include <string>

#include <tutti/collectives/tuning.hpp>
#include <tutti/kernels/error.hpp>
#include <tutti/kernels/text.hpp>

#include "tools/commands.hpp"
#include "tools/tune/measure.hpp"
#include "tools/world.hpp"

namespace tutti::tools {
namespace {

struct TuneOptions {
  std::string out;
  bool json = false;
};

/// The file, opened before anything is measured: written beside its place and renamed when complete.
class OutFile {
 public:
  explicit OutFile(const std::string& path) : path_(path), partial_(path + ".part") {
    if (path_.empty()) return;
    out_.open(partial_);
    if (!out_) problem_ = text("tune: --out ", path_, ": cannot be written");
  }
  ~OutFile() {
    std::error_code ignored;
    if (!path_.empty() && !problem_) std::filesystem::remove(partial_, ignored);
  }
  OutFile(const OutFile&) = delete;
  OutFile& operator=(const OutFile&) = delete;

  const std::optional<std::string>& problem() const { return problem_; }

  void write(const std::string& content) {
    if (path_.empty()) return;
    out_ << content;
    out_.close();
    std::error_code failed;
    if (out_) std::filesystem::rename(partial_, path_, failed);
    if (!out_ || failed) throw DataError(text("tune: --out ", path_, ": writing failed"));
  }

 private:
  std::string path_;
  std::string partial_;
  std::ofstream out_;
  std::optional<std::string> problem_;
};

void print_level(const char* level, const TransportCosts& built_in, const TransportCosts& used, bool measured) {
  if (!measured) {
    fmt::print("{:<8} not measured: no two ranks for it; built-in constants of {}\n", level, built_in.name);
    return;
  }
  const auto line = [&](const char* what, double before, double now, double unit, const char* unit_name) {
    fmt::print("{:<8} {:<9} {:>12.3f} {:>12.3f}  {}\n", level, what, before * unit, now * unit, unit_name);
  };
  line("latency", built_in.latency, used.latency, 1e6, "us");
  line("overhead", built_in.overhead, used.overhead, 1e6, "us");
  line("gap", built_in.gap, used.gap, 1e6, "us");
  line("byte", built_in.byte, used.byte, 1e9, "ns");
  line("reduce", built_in.reduce, used.reduce, 1e9, "ns per byte");
  line("copy", built_in.copy, used.copy, 1e9, "ns per byte");
}

void print_table(const Tuning& tuning) {
  fmt::print("{:<8} {:<9} {:>12} {:>12}\n", "level", "cost", "built in", "measured");
  print_level("node", kSharedMemoryCosts, tuning.costs.node, tuning.node_measured);
  print_level("network", built_in_costs(tuning.measured_on.network), tuning.costs.network, tuning.network_measured);
}

void tune(const Communicator& comm, const TuneOptions& options) {
  if (comm.size() == 1)
    throw InvalidArgument("tune: one rank has nothing to measure: start two or more, mpirun -n 2 tutti tune");
  OutFile file(comm.rank() == 0 ? options.out : "");
  agree(comm, file.problem());
  const NetworkClass network = comm.choice_facts().network;
  Tuning tuning;
  tuning.measured_on = local_fingerprint(network);
  tuning.costs.network = built_in_costs(network);
  const RankPairs pairs = find_pairs(comm);
  tuning.node_measured = static_cast<bool>(pairs.node);
  tuning.network_measured = static_cast<bool>(pairs.network);
  if (pairs.node) tuning.costs.node = measure_costs(comm, pairs.node, tuning.costs.node);
  if (pairs.network) tuning.costs.network = measure_costs(comm, pairs.network, tuning.costs.network);
  if (comm.rank() != 0) return;
  const std::string content = tuning_text(tuning);
  file.write(content);
  if (options.json) {
    fmt::print("{}", content);
  } else {
    print_table(tuning);
    if (!options.out.empty())
      fmt::print("\nwritten to {}: TUTTI_TUNING={} or CommunicatorOptions::tuning_file\n", options.out, options.out);
  }
}

}  // namespace

void add_tune_command(CLI::App& app) {
  auto* command = app.add_subcommand(
      "tune", "Measure what messages and bytes cost, for the choice of algorithms: mpirun -n N tutti tune --out FILE");
  const auto options = std::make_shared<TuneOptions>();
  command->add_option("--out", options->out, "Write the tuning file")->type_name("FILE");
  command->add_flag("--json", options->json, "Print the file's content instead of a table");
  command->callback([options] {
    if (options->out.empty() && !options->json) throw InvalidArgument("tune: give --out FILE, or --json");
    run_on_all_ranks({.deadline = std::chrono::seconds(300)}, [&](const Communicator& comm) { tune(comm, *options); });
  });
}

}  // namespace tutti::tools
