// bench_training: what a training step costs over its arithmetic.
//
//     mpirun -n 2 bench_training CONFIG.toml --set model.hidden=4096 --per-rank 32
//     mpirun -n 2 bench_training --against exchange.bucket_bytes=4194304
//
// The same ranks train in turns, a block of steps each: without communication, as configured, and with further
// settings. README.md says what is measured.
#include <mpi.h>
#include <CLI/CLI.hpp>

#include <algorithm>
#include <cstdio>
#include <memory>
#include <optional>
#include <span>
#include <sstream>
#include <string>
#include <vector>

#include <tutti/collectives/communicator.hpp>
#include <tutti/collectives/session.hpp>
#include <tutti/kernels/error.hpp>
#include <tutti/trainer/config/config.hpp>
#include <tutti/trainer/network/model_list.hpp>
#include <tutti/trainer/run/agreed_error.hpp>

#include "bench/training/contestant.hpp"
#include "bench/training/outcome.hpp"
#include "tools/usage.hpp"

namespace {

using namespace tutti;           // NOLINT(google-build-using-namespace): this file is a program, not a header
using namespace tutti::bench;    // NOLINT(google-build-using-namespace)
using namespace tutti::trainer;  // NOLINT(google-build-using-namespace)

constexpr int kFailed = 1;
constexpr int kWrongUsage = 2;

struct CommandLine {
  std::string config = "/dev/null";  // where every key has its default
  std::vector<std::string> settings;
  std::vector<std::string> against;
  std::string input = "1x28x28";
  std::size_t outputs = 10;
  int per_rank = 0;
  int rounds = 21;
  int steps = 5;
  std::optional<double> gigabits;
  std::string json;
};

void describe(CLI::App& app, CommandLine& line) {
  const auto repeated = [&](const char* name, std::vector<std::string>& values, const char* what) {
    return app.add_option(name, values, what)->expected(1)->allow_extra_args(false)->take_all();
  };
  app.set_help_flag("-h,--help", "Print this help and exit");
  app.add_option("config", line.config, "Configuration of a run (TOML); the data set it names is not read")
      ->type_name("CONFIG");
  repeated("--set", line.settings, "Replace a value of the file; may be repeated")->type_name("SECTION.KEY=VALUE");
  repeated("--against", line.against,
           "Also measure with these settings, separated by spaces, in turns with the others; may be repeated")
      ->type_name("\"SECTION.KEY=VALUE ...\"");
  app.add_option("--input", line.input, "Shape of one sample; of bytes of text: how many")
      ->type_name("SHAPE")
      ->capture_default_str();
  app.add_option("--outputs", line.outputs, "Classes, or numbers to tell")
      ->check(CLI::Range(1, 1000000))
      ->type_name("N")
      ->capture_default_str();
  app.add_option("--per-rank", line.per_rank, "Samples of each rank in a step, in place of train.batch_size")
      ->check(CLI::Range(1, 1000000))
      ->type_name("N");
  app.add_option("--rounds", line.rounds, "Blocks of each")
      ->check(CLI::Range(1, 1000000))
      ->type_name("N")
      ->capture_default_str();
  app.add_option("--steps", line.steps, "Steps in a block")
      ->check(CLI::Range(1, 1000000))
      ->type_name("N")
      ->capture_default_str();
  app.add_option("--gigabits", line.gigabits,
                 "What each rank's link carries per second: ratios are over the longer of arithmetic and link")
      ->check(CLI::PositiveNumber)
      ->type_name("G");
  app.add_option("--json", line.json, "Write all figures to this file as well")->type_name("FILE");
}

/// The same on all ranks: rank 0 reads the file.
Config shared_config(const Communicator& world, const CommandLine& line, const std::string& further) {
  std::string toml;
  agree_at_root(world, [&] {
    // No data set is opened, and no folder made.
    ConfigSources sources{
        .file = line.config, .environment = tutti_environment(), .options = {"data.train=none", "run.dir=none"}};
    sources.options.insert(sources.options.end(), line.settings.begin(), line.settings.end());
    std::istringstream words(further);
    for (std::string word; words >> word;) sources.options.push_back(word);
    Config config = read_config(sources);
    if (line.per_rank > 0) config.train.batch_size = static_cast<std::int64_t>(line.per_rank) * world.size();
    if (config.train.batch_size < world.size())
      throw Error("train.batch_size is " + std::to_string(config.train.batch_size) + ": fewer samples than ranks");
    toml = to_toml(config);
  });
  toml = broadcast_text(world, toml);
  return agree(world, [&] { return parse_config(toml, line.config); });
}

std::string exchange_text(const Config& config, Exchanges exchanges) {
  if (exchanges == Exchanges::no) return "none";
  const ExchangeOptions& exchange = config.exchange;
  return exchange.compression == "none" ? exchange.kind : exchange.kind + ", " + exchange.compression;
}

/// Round by round each has its block; who is first changes, so that what comes after what evens out.
void take_turns(std::vector<std::unique_ptr<Contestant>>& contestants, const CommandLine& line, Outcome& outcome) {
  for (auto& contestant : contestants) contestant->run(line.steps);  // memory and caches are made
  for (int round = 0; round < line.rounds; ++round)
    for (std::size_t i = 0; i < contestants.size(); ++i) {
      const std::size_t turn = (i + static_cast<std::size_t>(round)) % contestants.size();
      outcome.contestants[turn].blocks.push_back(contestants[turn]->run(line.steps));
    }
}

Outcome measure(const Communicator& world, const CommandLine& line) {
  const auto shape =
      agree(world, [&] { return SampleShape{.input = extents_of(line.input), .outputs = line.outputs}; });
  std::vector<std::unique_ptr<Contestant>> contestants;
  Outcome outcome;
  const auto add = [&](const std::string& name, const std::string& settings, Exchanges exchanges) {
    const Config config = shared_config(world, line, settings);
    contestants.push_back(std::make_unique<Contestant>(world, name, config, shape, exchanges));
    outcome.contestants.push_back({.name = name,
                                   .buckets = contestants.back()->bucket_count(),
                                   .exchange = exchange_text(config, exchanges),
                                   .blocks = {}});
  };
  add("no communication", "", Exchanges::no);
  add("as configured", "", Exchanges::yes);
  for (const std::string& settings : line.against) add(settings, settings, Exchanges::yes);
  const Contestant& configured = *contestants[1];
  outcome.ranks = world.size();
  outcome.nodes = world.topology().nodes;
  outcome.threads = configured.threads();
  outcome.model = model_title(configured.config().model);
  outcome.dtype = configured.config().model.dtype;
  outcome.parameters = configured.parameters();
  outcome.global_batch = static_cast<std::uint64_t>(configured.config().train.batch_size);
  outcome.steps = line.steps;
  outcome.gigabits = line.gigabits;
  take_turns(contestants, line, outcome);
  return outcome;
}

}  // namespace

int main(int argc, char** argv) {
  const Session session(&argc, &argv);
  const Communicator world(MPI_COMM_WORLD);
  CLI::App app("Measure what a training step costs over its arithmetic: mpirun -n N bench_training", "bench_training");
  CommandLine line;
  tools::set_help_style(app);
  describe(app, line);
  try {
    app.parse(argc, argv);
  } catch (const CLI::Success& wanted) {
    return world.rank() == 0 ? app.exit(wanted) : 0;
  } catch (const CLI::ParseError& error) {
    const std::span<char* const> arguments(argv + 1, static_cast<std::size_t>(std::max(0, argc - 1)));
    if (world.rank() == 0)
      std::fprintf(stderr, "bench_training: error: %s\n",
                   tools::usage_message(app, error, arguments, "bench_training").c_str());
    return kWrongUsage;
  }
  try {
    const Outcome outcome = measure(world, line);
    agree_at_root(world, [&] {
      std::fputs(table(outcome).c_str(), stdout);
      if (!line.json.empty()) write_json(outcome, line.json);
    });
    return 0;
  } catch (const AgreedError& error) {
    if (world.rank() == 0) std::fprintf(stderr, "bench_training: error: %s\n", error.what());
    return kFailed;
  }
}
