// The subcommands of `tutti data`, each in a file of its own.
#pragma once

#include <CLI/CLI.hpp>

#include <cstdint>

namespace tutti::tools::data {

inline const CLI::Range kCount(std::int64_t{1}, std::int64_t{1} << 40);

void add_import_command(CLI::App& data);
void add_check_command(CLI::App& data);
void add_split_command(CLI::App& data);
void add_show_command(CLI::App& data);
void add_speed_command(CLI::App& data);
void add_stage_command(CLI::App& data);

}  // namespace tutti::tools::data
