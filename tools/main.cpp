// The program `tutti`: finds the subcommand, runs it, and turns what it throws into one line and an exit status
// (0 done, 1 failed, 2 wrong usage). Under a launcher only rank 0 prints what is the same on all ranks.
#include <algorithm>
#include <array>
#include <cstdio>
#include <exception>
#include <string>
#include <vector>

#include <tutti/kernels/error.hpp>

#include "tools/command_line.hpp"
#include "tools/commands.hpp"
#include "tools/world.hpp"
#ifdef TUTTI_TOOLS_DATA
#include "tools/data.hpp"
#endif

namespace {

constexpr int kFailed = 1;
constexpr int kWrongUsage = 2;

std::string with_suggestion(std::string message, const std::string& suggestion) {
  if (!suggestion.empty()) message += "; did you mean '" + suggestion + "'?";
  return message;
}

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
  tutti::tools::add_report_command(app);
#ifdef TUTTI_TOOLS_MEASURE
  tutti::tools::add_ps_command(app);
  tutti::tools::add_trace_command(app);
  tutti::tools::add_info_command(app);
  tutti::tools::add_doctor_command(app);
#endif
}

/// All commands there are: this build may lack some.
constexpr std::array kAllCommands = {"train",  "data", "preload", "perf", "explain", "tune",
                                     "report", "ps",   "trace",   "info", "doctor"};

bool is_left_out(const std::string& name, const std::vector<std::string>& built) {
  const auto is_in = [&](const auto& names) { return std::find(names.begin(), names.end(), name) != names.end(); };
  return is_in(kAllCommands) && !is_in(built);
}

std::string unknown_command(const std::string& name, const std::vector<std::string>& built) {
  if (is_left_out(name, built))
    return "this build has no command '" + name + "' (`./run build` in the sources builds all commands)";
  return with_suggestion("unknown command '" + name + "'", tutti::tools::nearest(name, built)) +
         " (see `tutti --help`)";
}

std::vector<std::string> command_names(const CLI::App& app) {
  std::vector<std::string> names;
  for (const CLI::App* command : app.get_subcommands(nullptr)) names.push_back(command->get_name());
  return names;
}

std::vector<std::string> option_names(const CLI::App& app) {
  std::vector<std::string> names;
  for (const CLI::Option* option : app.get_options()) {
    for (const auto& name : option->get_lnames()) names.push_back("--" + name);
  }
  return names;
}

/// The innermost subcommand that the command line named.
const CLI::App& chosen_command(const CLI::App& app) {
  const auto parsed = app.get_subcommands();
  return parsed.empty() ? app : chosen_command(*parsed.front());
}

std::string usage_message(const CLI::App& app, const CLI::ParseError& error, int argc, char** argv) {
  const CLI::App& command = chosen_command(app);
  const std::string place = &command == &app ? "" : command.get_name() + ": ";
  std::string message = error.what();
  if (error.get_exit_code() == static_cast<int>(CLI::ExitCodes::ExtrasError)) {
    // CLI11 names leftovers in its own order; the first one on the command line is the one to talk about.
    const auto leftovers = app.remaining(true);
    const auto* const end = argv + argc;
    const auto* const first = std::find_if(argv + 1, const_cast<char**>(end), [&](const char* argument) {
      return std::find(leftovers.begin(), leftovers.end(), argument) != leftovers.end();
    });
    const std::string name = first == end ? leftovers.front() : *first;
    const std::string word = name.substr(0, name.find('='));
    const bool option = word.rfind('-', 0) == 0;
    message = with_suggestion((option ? "unknown option '" : "unexpected argument '") + word + "'",
                              tutti::tools::nearest(word, option ? option_names(command) : command_names(command)));
  }
  return place + message + " (see `tutti " + (place.empty() ? "" : command.get_name() + " ") + "--help`)";
}

int run(int argc, char** argv) {
  CLI::App app("tutti: collective communication and data-parallel training over MPI", "tutti");
  app.set_version_flag("--version", "tutti " TUTTI_VERSION, "Print the version and exit");
  app.set_help_flag("-h,--help", "Print this help and exit");
  app.require_subcommand(1);
  add_commands(app);
  const bool speaks = tutti::tools::launched_rank() == 0;

  if (argc > 1 && std::string(argv[1]) == "train") tutti::tools::exec_trainer(argc, argv);
#ifdef TUTTI_TOOLS_PRELOAD
  if (argc > 2 && std::string(argv[1]) == "preload" && argv[2][0] != '-') tutti::tools::exec_preloaded(argv + 2);
#endif
#ifdef TUTTI_TOOLS_DATA
  // Of files and by one process: under a launcher rank 0 does it.
  if (!speaks && argc > 1 && std::string(argv[1]) == "data") return 0;
#endif
  const auto names = command_names(app);
  if (argc > 1 && argv[1][0] != '-' && std::find(names.begin(), names.end(), argv[1]) == names.end()) {
    if (speaks) tutti::tools::print_error(unknown_command(argv[1], names));
    tutti::tools::meet_before_exit();
    return kWrongUsage;
  }
  try {
    app.parse(argc, argv);
  } catch (const CLI::Success& asked) {  // --help or --version
    if (speaks) app.exit(asked);
  } catch (const CLI::ParseError& error) {
    if (speaks) tutti::tools::print_error(usage_message(app, error, argc, argv));
    tutti::tools::meet_before_exit();
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
  } catch (const tutti::tools::Reported&) {
    return kFailed;
  } catch (const std::exception& error) {
    if (tutti::tools::launched_rank() == 0) tutti::tools::print_error(error.what());
    return kFailed;
  }
}
