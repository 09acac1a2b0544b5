// Messages about command lines; see usage.hpp.
#include "tools/usage.hpp"

#include <algorithm>
#include <cctype>
#include <cstddef>
#include <memory>
#include <optional>
#include <sstream>

#include <tutti/kernels/names.hpp>

namespace tutti::tools {
namespace {

class Help final : public CLI::Formatter {
 public:
  Help() {
    column_width(28);
    label("REQUIRED", "(required)");
  }

  std::string make_usage(const CLI::App* app, std::string name) const override {
    std::string line = "Usage: " + name + " [OPTIONS]";
    for (const CLI::Option* option : app->get_options()) {
      if (!option->get_positional() && option->get_required())
        line += " --" + option->get_lnames().front() + " " + option->get_type_name();
    }
    for (const CLI::Option* option : app->get_options([](const CLI::Option* each) { return each->get_positional(); })) {
      const std::string word = option->get_type_name() + (option->get_items_expected_max() > 1 ? "..." : "");
      line += option->get_required() ? " " + word : " [" + word + "]";
    }
    const bool has_positional = !app->get_options([](const CLI::Option* o) { return o->get_positional(); }).empty();
    if (!command_names(*app).empty()) line += has_positional ? " [COMMAND]" : " COMMAND";
    return line + "\n";
  }

  std::string make_option_name(const CLI::Option* option, bool is_positional) const override {
    return is_positional ? option->get_type_name() : CLI::Formatter::make_option_name(option, false);
  }

  std::string make_option(const CLI::Option* option, bool is_positional) const override {
    if (!is_positional) return CLI::Formatter::make_option(option, false);
    std::stringstream out;
    CLI::detail::format_help(out, make_option_name(option, true), option->get_description(), get_column_width());
    return out.str();
  }
};

std::vector<std::string> option_names(const CLI::App& app) {
  std::vector<std::string> names;
  for (const CLI::Option* option : app.get_options()) {
    for (const auto& name : option->get_lnames()) names.push_back("--" + name);
  }
  return names;
}

/// "data import" of the command `tutti data import`.
std::string path_of(const CLI::App& command) {
  const CLI::App* const parent = command.get_parent();
  if (parent == nullptr) return {};
  const std::string before = path_of(*parent);
  return before.empty() ? command.get_name() : before + " " + command.get_name();
}

/// The innermost subcommand that the command line named.
const CLI::App& chosen_command(const CLI::App& app) {
  const auto parsed = app.get_subcommands();
  return parsed.empty() ? app : chosen_command(*parsed.front());
}

struct Unknown {
  const CLI::App* command;  ///< of which it is no part
  std::string word;
  bool is_option;
};

bool is_option(const std::string& argument) {
  return argument.size() > 1 && argument[0] == '-' && std::isdigit(static_cast<unsigned char>(argument[1])) == 0 &&
         argument[1] != '.';
}

/// The first option or subcommand that there is not.
std::optional<Unknown> find_unknown(const CLI::App& app, std::span<char* const> arguments) {
  const CLI::App* command = &app;
  for (std::size_t i = 0; i < arguments.size(); ++i) {
    const std::string argument = arguments[i];
    if (argument == "--") return std::nullopt;
    if (is_option(argument)) {
      const std::string name = argument.substr(0, argument.find('='));
      const CLI::Option* option = command->get_option_no_throw(name);
      const bool is_help = name == "-h" || name == "--help";
      if (option == nullptr && argument[1] != '-') option = command->get_option_no_throw(name.substr(0, 2));
      if (option == nullptr && !is_help) return Unknown{command, name, true};
      const bool takes_next = option != nullptr && option->get_items_expected_min() > 0 && name == argument;
      if (takes_next) ++i;
      continue;
    }
    const std::vector<std::string> names = command_names(*command);
    if (names.empty()) continue;
    if (std::find(names.begin(), names.end(), argument) == names.end()) {
      if (!command->get_options([](const CLI::Option* each) { return each->get_positional(); }).empty()) continue;
      return Unknown{command, argument, false};
    }
    command = command->get_subcommand(argument);
  }
  return std::nullopt;
}

std::string in_place(const CLI::App& command, const std::string& message, const std::string& program) {
  const std::string path = path_of(command);
  return (path.empty() ? "" : path + ": ") + message + " (see `" + program + (path.empty() ? "" : " " + path) +
         " --help`)";
}

}  // namespace

void set_help_style(CLI::App& app) { app.formatter(std::make_shared<Help>()); }

std::vector<std::string> command_names(const CLI::App& app) {
  std::vector<std::string> names;
  for (const CLI::App* command : app.get_subcommands([](const CLI::App*) { return true; })) {
    names.push_back(command->get_name());
  }
  return names;
}

std::string usage_message(const CLI::App& app, const CLI::ParseError& error, std::span<char* const> arguments,
                          const std::string& program) {
  // CLI11 tells what is missing before what is not known, of which it may be the misspelling.
  if (const auto unknown = find_unknown(app, arguments)) {
    const std::string what = (unknown->is_option ? "unknown option '" : "unknown command '") + unknown->word + "'";
    const auto known = unknown->is_option ? option_names(*unknown->command) : command_names(*unknown->command);
    return in_place(*unknown->command, what + did_you_mean(unknown->word, known), program);
  }
  const CLI::App& command = chosen_command(app);
  const std::vector<std::string> commands = command_names(command);
  if (!commands.empty() && error.get_exit_code() == static_cast<int>(CLI::ExitCodes::RequiredError)) {
    return in_place(command, "a command is required: " + listed(commands), program);
  }
  if (error.get_exit_code() == static_cast<int>(CLI::ExitCodes::ExtrasError)) {
    // CLI11 names leftovers in its own order; the first one on the command line is the one to talk about.
    const auto leftovers = app.remaining(true);
    const auto first = std::find_if(arguments.begin(), arguments.end(), [&](const char* argument) {
      return std::find(leftovers.begin(), leftovers.end(), argument) != leftovers.end();
    });
    const std::string word = first == arguments.end() ? leftovers.front() : *first;
    return in_place(command, "unexpected argument '" + word + "'", program);
  }
  return in_place(command, error.what(), program);
}

}  // namespace tutti::tools
