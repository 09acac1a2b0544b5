// The subcommands `tutti data import|check|show|speed`.
#pragma once

#include <CLI/CLI.hpp>

namespace tutti::tools {

/// Adds `data` with its subcommands to `app`. They run as CLI11 callbacks, print on standard output, and throw
/// tutti::Error on failure.
void add_data_command(CLI::App& app);

}  // namespace tutti::tools
