// The program `tutti`: finds the subcommand, runs it, and turns what it throws into one line and an exit status
// (0 done, 1 failed, 2 wrong usage). Under a launcher only rank 0 prints what is the same on all ranks.
#include <algorithm>
#include <array>
#include <cstdio>
#include <exception>
#include <span>
#include <string>
#include <vector>

#include <tutti/kernels/error.hpp>

#include "tools/command_line.hpp"
#include "tools/commands.hpp"
#include "tools/usage.hpp"
#include "tools/world.hpp"
#ifdef TUTTI_TOOLS_DATA
#include "tools/data.hpp"
#endif

namespace {

constexpr int kFailed = 1;
constexpr int kWrongUsage = 2;

void add_commands(CLI::App& app) {
  tutti::tools::add_train_command(app);
#ifdef TUTTI_TOOLS_DATA
  tutti::tools::add_data_command(app);
#endif
#ifdef TUTTI_TOOLS_PRELOAD
  tutti::tools::add_preload_command(app);
#endif
#ifdef TUTTI_TOOLS_MEASURE
  tutti::tools::add_perf_command(app);
  tutti::tools::add_explain_command(app);
  tutti::tools::add_tune_command(app);
#endif
#ifdef TUTTI_TOOLS_COMPRESS
  tutti::tools::add_compress_command(app);
#endif
  tutti::tools::add_report_command(app);
#ifdef TUTTI_TOOLS_MEASURE
  tutti::tools::add_ps_command(app);
  tutti::tools::add_trace_command(app);
  tutti::tools::add_info_command(app);
  tutti::tools::add_doctor_command(app);
#endif
}

/// All commands there are: this build may lack some.
constexpr std::array kAllCommands = {"train", "models",   "export", "data", "preload", "perf", "explain",
                                     "tune",  "compress", "report", "ps",   "trace",   "info", "doctor"};

bool is_left_out(const std::string& name, const std::vector<std::string>& built) {
  const auto is_in = [&](const auto& names) { return std::find(names.begin(), names.end(), name) != names.end(); };
  return is_in(kAllCommands) && !is_in(built);
}

/// Whether all ranks do this command of `tutti data` together.
bool is_of_all_ranks(const std::string& name) { return name == "import" || name == "split" || name == "stage"; }

/// Of a command that another build has.
std::string left_out(const std::string& name) {
  return "this build has no command '" + name + "' (`./run build` in the sources builds all commands)";
}

int run(int argc, char** argv) {
  CLI::App app("tutti: collective communication and data-parallel training over MPI", "tutti");
  tutti::tools::set_help_style(app);
  app.set_version_flag("--version", "tutti " TUTTI_VERSION, "Print the version and exit");
  app.set_help_flag("-h,--help", "Print this help and exit");
  app.require_subcommand(1);
  add_commands(app);
  const bool speaks = tutti::tools::launched_rank() == 0;

  const std::span<char* const> arguments(argv + 1, static_cast<std::size_t>(std::max(0, argc - 1)));
  if (argc > 1 && tutti::tools::is_of_trainer(argv[1])) tutti::tools::exec_trainer(argc, argv);
#ifdef TUTTI_TOOLS_MEASURE
  if (tutti::tools::asks_trainer(arguments)) tutti::tools::exec_trainer(argc, argv, 2);
#endif
#ifdef TUTTI_TOOLS_PRELOAD
  if (argc > 2 && std::string(argv[1]) == "preload" && argv[2][0] != '-') tutti::tools::exec_preloaded(argv + 2);
#endif
  // Of files, and by one process: under a launcher rank 0 does it, and nobody waits for the others.
  const bool alone = argc > 1 && std::string(argv[1]) == "data" && (argc < 3 || !is_of_all_ranks(argv[2]));
  if (alone && !speaks) return 0;
  if (argc > 1 && is_left_out(argv[1], tutti::tools::command_names(app))) {
    if (speaks) tutti::tools::print_error(left_out(argv[1]));
    if (!alone) tutti::tools::meet_before_exit();
    return kWrongUsage;
  }
  try {
    app.parse(argc, argv);
  } catch (const CLI::Success& asked) {  // --help or --version
    if (speaks) app.exit(asked);
  } catch (const CLI::ParseError& error) {
    if (speaks) tutti::tools::print_error(tutti::tools::usage_message(app, error, arguments, "tutti"));
    if (!alone) tutti::tools::meet_before_exit();
    return kWrongUsage;
  }
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  try {
    const int status = run(argc, argv);
    tutti::tools::finish_output();
    return status;
  } catch (const tutti::tools::Reported& reported) {
    return reported.status();
  } catch (const std::exception& error) {
    if (tutti::tools::launched_rank() == 0) tutti::tools::print_error(error.what());
    return kFailed;
  }
}
