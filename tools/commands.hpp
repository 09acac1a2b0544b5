// The subcommands of the program `tutti`. Each registers itself with its options and a callback that does the work and
// throws tutti::Error when it fails; main() prints the one line and sets the exit status.
#pragma once

#include <CLI/CLI.hpp>

#include <span>
#include <string_view>

namespace tutti::tools {

void add_info_command(CLI::App& app);
void add_doctor_command(CLI::App& app);
void add_explain_command(CLI::App& app);
void add_perf_command(CLI::App& app);
void add_tune_command(CLI::App& app);
void add_compress_command(CLI::App& app);
void add_report_command(CLI::App& app);
void add_ps_command(CLI::App& app);
void add_trace_command(CLI::App& app);

/// `train`, `models` and `export` are only listed here: main() hands everything behind them to the trainer's own
/// program, see exec_trainer().
void add_train_command(CLI::App& app);

/// Whether it is one of these.
bool is_of_trainer(std::string_view command) noexcept;

/// Becomes tutti-train, which lies beside this program, with the arguments behind the command, which has so many
/// `words`. Returns only by throwing. \throws DataError if the trainer was not built or cannot be started.
[[noreturn]] void exec_trainer(int argc, char** argv, int words = 1);

/// Whether it is `explain compression --config FILE`, which only the trainer can answer.
bool asks_trainer(std::span<char* const> arguments) noexcept;

/// `preload` with a program is main()'s too, see exec_preloaded().
void add_preload_command(CLI::App& app);

/// Becomes `program`, a list of words with a null behind, with libtutti_mpi.so preloaded. Returns only by throwing.
/// \throws DataError if the library was not built or the program cannot be started.
[[noreturn]] void exec_preloaded(char** program);

}  // namespace tutti::tools
