// tutti-train CONFIG.toml: the program behind `tutti train`, and, called by these names, behind `tutti models` and
// `tutti export`. Apart from `tutti` because it alone needs libtorch.
//
// Exit status: 0 the run is complete; 1 it failed, and one line "tutti: error: ..." says why; 2 the command line or the
// configuration is wrong; 3 it was stopped by a signal, has written a checkpoint, and --resume goes on.
#include <mpi.h>
#include <CLI/CLI.hpp>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include <tutti/allreduce/version.hpp>
#include <tutti/collectives/communicator.hpp>
#include <tutti/collectives/inspect/machine.hpp>
#include <tutti/collectives/session.hpp>
#include <tutti/kernels/text.hpp>
#include <tutti/trainer/config/config.hpp>
#include <tutti/trainer/network/model_list.hpp>
#include <tutti/trainer/network/network.hpp>
#include <tutti/trainer/run/agreed_error.hpp>
#include <tutti/trainer/run/auto_compression.hpp>
#include <tutti/trainer/run/data.hpp>
#include <tutti/trainer/run/export.hpp>
#include <tutti/trainer/run/run_plan.hpp>
#include <tutti/trainer/run/stop_signals.hpp>
#include <tutti/trainer/run/training.hpp>

#include "tools/explain/compression_table.hpp"
#include "tools/usage.hpp"
#ifdef TUTTI_HAVE_REPORT
#include "tools/report/report.hpp"
#endif

namespace {

using namespace tutti;           // NOLINT(google-build-using-namespace): this file is a program, not a header
using namespace tutti::trainer;  // NOLINT(google-build-using-namespace)

constexpr int kFailed = 1;
constexpr int kWrongUsage = 2;
constexpr int kStopped = 3;

struct CommandLine {
  std::string config;
  std::vector<std::string> settings;
  std::string out;
  bool resume = false;
  bool keys = false;
  std::string input;
  std::size_t outputs = 10;
  std::string trace;
  bool plan = false;
  int ranks = 1;
  int ranks_per_node = 1;
  std::string network = "rdma";
  double gigabits = 0.0;
  double gigaflops = 0.0;
  ExportOptions exported;
  std::string names = "own";
  tools::CompressionQuestion compression;
};

void print_error(const std::string& message) {
  const std::string line = "tutti: error: " + message + "\n";
  std::fputs(line.c_str(), stderr);
  std::fflush(stderr);
}

int world_size() {
  int size = 0;
  MPI_Comm_size(MPI_COMM_WORLD, &size);
  return size;
}

int world_rank() {
  int rank = 0;
  MPI_Comm_rank(MPI_COMM_WORLD, &rank);
  return rank;
}

void describe(CLI::App& app, CommandLine& line) {
  app.set_help_flag("-h,--help", "Print this help and exit");
  app.add_option("config", line.config, "Configuration file (TOML); -: standard input")->type_name("CONFIG");
  app.add_option("--set", line.settings, "Replace a value of the file; may be repeated")
      ->type_name("SECTION.KEY=VALUE")
      ->expected(1)
      ->allow_extra_args(false)
      ->take_all();
  app.add_option("--out", line.out, "Run folder, as run.dir")->type_name("FOLDER");
  app.add_flag("--resume", line.resume, "Resume the run in the run folder, from its newest checkpoint");
  app.add_option(
         "--trace", line.trace,
         "Write a timeline of all ranks: what they compute, communicate and wait for (Perfetto, chrome://tracing)")
      ->type_name("FILE");
  app.add_flag("--keys", line.keys, "List all keys of a configuration and exit");
  const auto number = [&](const char* name, auto& value, double low, double high, const char* what) {
    return app.add_option(name, value, what)->check(CLI::Range(low, high).description(""))->type_name("N");
  };
  app.add_flag("--plan", line.plan, "Tell memory, bytes and time of a step for --ranks N, without training");
  for (auto* option :
       {number("--ranks", line.ranks, 1, 1e6, "Ranks of the plan")->capture_default_str(),
        number("--ranks-per-node", line.ranks_per_node, 1, 1e6, "Of these on each node")->capture_default_str(),
        app.add_option("--network", line.network, "Between nodes: rdma or tcp")
            ->check(CLI::IsMember({"rdma", "tcp"}).description(""))
            ->type_name("KIND")
            ->capture_default_str(),
        number("--gigabits", line.gigabits, 1e-3, 1e6, "Its bandwidth for a node in Gbit/s, if it is another"),
        number("--gigaflops", line.gigaflops, 1e-3, 1e9, "Arithmetic of a rank in GFLOP/s; else measured here"),
        app.add_option("--input", line.input, "Shape of one sample, in place of data.train's")->type_name("SHAPE"),
        number("--outputs", line.outputs, 1, 1e6, "Classes, with --input")->capture_default_str()})
    option->needs("--plan")->group("Plan");
  app.set_version_flag("--version", std::string("tutti-train ") + tutti::version(), "Print the version and exit");
}

void describe_models(CLI::App& app, CommandLine& line) {
  app.set_help_flag("-h,--help", "Print this help and exit");
  line.input = "1x28x28";
  app.add_option("--input", line.input, "Shape of one sample; of bytes of text: how many")
      ->type_name("SHAPE")
      ->capture_default_str();
  app.add_option("--outputs", line.outputs, "Classes, or numbers to tell")
      ->check(CLI::Range(1, 1000000))
      ->type_name("N")
      ->capture_default_str();
  app.add_option("--set", line.settings, "Value of a configuration; may be repeated")
      ->type_name("SECTION.KEY=VALUE")
      ->expected(1)
      ->allow_extra_args(false)
      ->take_all();
}

void describe_export(CLI::App& app, CommandLine& line) {
  app.set_help_flag("-h,--help", "Print this help and exit");
  app.add_option("from", line.exported.from, "Run folder, whose newest checkpoint is meant, or a checkpoint")
      ->type_name("RUN")
      ->required();
  app.add_option("--to", line.exported.to, "File to write: NAME.safetensors (tensors) or NAME.pt (TorchScript module)")
      ->type_name("FILE")
      ->required();
  app.add_flag("--average", line.exported.average,
               "The moving average (optimizer.ema_decay) instead of the parameters");
  app.add_option("--names", line.names, "Names of the tensors: own, or torchvision's (resnet*, vgg11)")
      ->check(CLI::IsMember({"own", "torchvision"}))
      ->type_name("NAMES")
      ->capture_default_str();
  app.add_flag("--force", line.exported.force, "Overwrite the file");
  app.add_option("--model-file", line.exported.model_file, "Where model.file of the run is now, if it has moved (.pt)")
      ->type_name("FILE");
}

void describe_compression(CLI::App& app, CommandLine& line) {
  app.set_help_flag("-h,--help", "Print this help and exit");
  tools::describe_compression_question(app, line.compression);
}

Config shared_config(const Communicator& comm, const CommandLine& line) {
  std::string toml;
  agree_at_root(comm, [&] {
    ConfigSources sources{.file = line.config, .environment = tutti_environment(), .options = line.settings};
    if (!line.out.empty()) sources.options.push_back("run.dir=" + line.out);
    toml = to_toml(read_config(sources));
  });
  toml = broadcast_text(comm, toml);
  return agree(comm, [&] { return parse_config(toml, line.config); });
}

/// \throws InvalidArgument, ConfigError
std::string models_text(const CommandLine& line) {
  Config config;
  for (const auto& setting : line.settings) set_option(config, setting);
  return model_list(extents_of(line.input), line.outputs, config.model);
}

/// An error in the middle of the run, which the other ranks cannot be told in order: ends the job. Most ranks that got
/// CommunicationError are victims; they leave the first word to the rank that knows more, and speak, the lowest first,
/// only if they are still alive.
[[noreturn]] void leave(const Communicator& comm, const std::exception& error) {
  using namespace std::chrono_literals;
  comm.abandon(error.what());
  if (dynamic_cast<const CommunicationError*>(&error) != nullptr)
    std::this_thread::sleep_for(1s + 250ms * std::min(comm.rank(), 20));
  print_error(text("rank ", comm.rank(), ": ", error.what()));
  MPI_Abort(MPI_COMM_WORLD, 1);
  std::_Exit(1);
}

/// \returns the exit status; `run_folder` is set once the run is complete.
int run(const CommandLine& line, std::string& run_folder) {
  // The first communicator looks for it, on every rank.
  if (!line.trace.empty()) setenv("TUTTI_TRACE", line.trace.c_str(), 1);
  CommunicatorOptions options{.timeout = std::chrono::duration<double>(Config{}.train.timeout_s)};
  std::optional<Communicator> made;
  try {
    made.emplace(MPI_COMM_WORLD, options);
  } catch (const InvalidArgument& error) {  // what the environment asks for is wrong, as all ranks are told
    if (world_rank() == 0) print_error(error.what());
    return kWrongUsage;
  }
  const Communicator& startup = *made;
  int status_of_error = kWrongUsage;
  try {
    const Config config = shared_config(startup, line);
    status_of_error = kFailed;
    options.timeout = std::chrono::duration<double>(config.train.timeout_s);
    if (config.numerics.reproducible == "layout") options.reproducibility = Reproducibility::layout;
    const Communicator comm(MPI_COMM_WORLD, options);
    TrainingResult result;
    try {
      const StopSignals signals;
      result = train(comm, config,
                     {.resume = line.resume, .on_step = {}, .stop = [] { return StopSignals::received() != 0; }});
    } catch (const AgreedError&) {
      throw;
    } catch (const std::exception& error) {
      leave(comm, error);
    }
    if (result.stopped) return kStopped;
    run_folder = config.run.dir;
    return 0;
  } catch (const AgreedError& error) {
    if (startup.rank() == 0) print_error(error.what());
    return status_of_error;
  } catch (const std::exception& error) {
    leave(startup, error);
  }
}

/// Of a run that is only thought of.
Config planned_config(const std::string& file, const std::vector<std::string>& settings) {
  ConfigSources sources{.file = file, .environment = tutti_environment(), .options = settings};
  if (file == "-") sources.options.emplace_back("run.dir=plan");  // there is no file to name it after
  return read_config(sources);
}

/// That of the training set, unless there is an `input`, with so many `outputs`.
TaskShape planned_task(const Config& config, const std::string& input, std::size_t outputs) {
  if (input.empty()) return open_data(config).train.task();
  return {.input = extents_of(input), .classes = outputs};
}

/// \throws InvalidArgument, ConfigError, DataError
std::string compression_text(const CommandLine& line) {
  const tools::CompressionQuestion& question = line.compression;
  tools::demand_sense(question);
  const auto compared = tools::compared_codecs(question);
  const ClusterShape cluster = tools::asked_cluster(question);
  const Config config = planned_config(question.config, {});
  const TaskShape task = planned_task(config, question.input, question.outputs);
  const Network network(config.model, {}, task.of_network(static_cast<std::uint64_t>(config.train.seed)));
  std::size_t elements = 0;
  for (const ParameterInfo& parameter : network.parameters()) elements += parameter.count();
  const Communicator alone(MPI_COMM_SELF);
  return tools::compression_answer(question, cluster,
                                   text("a step of ", model_title(config.model), ", ", elements, " parameters"),
                                   predict_exchanges(alone, network.parameters(), config.exchange, compared, cluster));
}

/// \throws InvalidArgument, ConfigError, DataError
std::string run_plan_text(const CommandLine& line) {
  const Config config = planned_config(line.config, line.settings);
  const TaskShape task = planned_task(config, line.input, line.outputs);
  ClusterShape cluster{.ranks = line.ranks,
                       .nodes = (line.ranks + line.ranks_per_node - 1) / line.ranks_per_node,
                       .costs = {kSharedMemoryCosts, line.network == "tcp" ? kTcpCosts : kRdmaCosts}};
  if (line.gigabits > 0.0) cluster.costs.network.byte = 8.0 / (line.gigabits * 1e9);
  return plan_text(config, task, cluster, line.gigaflops * 1e9);
}

/// \throws InvalidArgument, DataError
std::string export_text(const CommandLine& line) {
  ExportOptions options = line.exported;
  options.torchvision_names = line.names == "torchvision";
  return export_model(options) + "\n";
}

/// What a program of this file is for, by the name it is called by.
struct Role {
  std::string program;
  std::string purpose;
  void (*describe)(CLI::App& app, CommandLine& line);
  std::string (*answer)(const CommandLine& line);  ///< what is to be printed; null: a run
};

Role role_of(std::string_view name) {
  if (name == "tutti models")
    return {std::string(name), "Show the models there are: parameters, multiply-adds of a forward pass over one sample",
            describe_models, models_text};
  if (name == "tutti export")
    return {std::string(name),
            "Write the model of a run for other programs: safetensors, or a module for torch.jit.load", describe_export,
            export_text};
  if (name == "tutti explain compression")
    return {std::string(name), "Predict an exchange of gradients by each codec, and on how fast a network each pays",
            describe_compression, compression_text};
  const std::string program = name.starts_with("tutti ") ? std::string(name) : "tutti-train";
  return {program, "Train a model on HDF5 shards, data-parallel over MPI: mpirun -n N " + program + " CONFIG.toml",
          describe, nullptr};
}

/// Prints what was asked for; whether it has arrived, or nobody wanted it.
bool printed(const std::string& text) {
  errno = 0;
  if ((std::fputs(text.c_str(), stdout) >= 0 && std::fflush(stdout) == 0) || errno == EBADF) return true;
  print_error(tutti::text("standard output cannot be written: ", std::strerror(errno != 0 ? errno : EIO)));
  return false;
}

/// Of one process, without communication. \returns the exit status
int answer(std::string (*of)(const CommandLine&), const CommandLine& line) {
  try {
    return printed(of(line)) ? 0 : kFailed;
  } catch (const InvalidArgument& error) {
    print_error(error.what());
    return kWrongUsage;
  } catch (const ConfigError& error) {
    print_error(error.what());
    return kWrongUsage;
  } catch (const std::exception& error) {
    print_error(error.what());
    return kFailed;
  }
}

/// After MPI has ended, because the page's charts are drawn by another process. The run is complete without it.
void write_page([[maybe_unused]] const std::string& run_folder) {
#ifdef TUTTI_HAVE_REPORT
  try {
    tools::write_report(run_folder);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "tutti: note: the run is complete, but its page is not: %s\n", error.what());
  }
#endif
}

}  // namespace

int main(int argc, char** argv) {
  std::string run_folder;
  int rank = 0;
  {
    const Session session(&argc, &argv);
    rank = world_rank();
    const Role role = role_of(argv[0]);
    CLI::App app(role.purpose, role.program);
    CommandLine line;
    tools::set_help_style(app);
    role.describe(app, line);
    try {
      app.parse(argc, argv);
      if (role.answer == nullptr && !line.keys && line.config.empty()) throw CLI::RequiredError("config");
      if (role.answer == nullptr && app.count("--out") > 0 && line.out.empty())
        throw CLI::ValidationError("--out", "the run folder's name is empty");
    } catch (const CLI::Success& wanted) {  // --help, --version
      return rank == 0 ? app.exit(wanted) : 0;
    } catch (const CLI::ParseError& error) {
      const std::span<char* const> arguments(argv + 1, static_cast<std::size_t>(std::max(0, argc - 1)));
      if (rank == 0) print_error(tools::usage_message(app, error, arguments, role.program));
      return kWrongUsage;
    }
    if (line.keys) {
      return rank != 0 || printed(key_table_markdown()) ? 0 : kFailed;
    }
    if (line.plan) return rank == 0 ? answer(run_plan_text, line) : 0;
    if (role.answer != nullptr) return rank == 0 ? answer(*role.answer, line) : 0;
    if (const auto wrong = wrong_launcher(world_size())) {
      if (wrong->is_first) print_error(wrong->what);
      return kFailed;
    }
    if (const int status = run(line, run_folder); status != 0) return status;
  }
  if (rank == 0) write_page(run_folder);
  return 0;
}
