// What is wrong with a command line, in one line: the first thing on it that is not known, with the nearest name that
// is; otherwise what is missing or wrong. For `tutti` and tutti-train.
#pragma once

#include <CLI/CLI.hpp>
#include <span>
#include <string>
#include <vector>

namespace tutti::tools {

/// Help in one style: "Usage: tutti trace [OPTIONS] --out FILE PART...", with what is required on it and names in
/// capitals. For the program and its subcommands, before these are added.
void set_help_style(CLI::App& app);

/// The names of the subcommands.
std::vector<std::string> command_names(const CLI::App& app);

/// What CLI11 found wrong with the arguments, as people are told: "data import: unknown option '--imges'; did you mean
/// '--images'? (see `tutti data import --help`)". `program` is the name of the whole.
std::string usage_message(const CLI::App& app, const CLI::ParseError& error, std::span<char* const> arguments,
                          const std::string& program);

}  // namespace tutti::tools
