// `tutti explain compression`, but for --config, which tutti-train answers.
#pragma once

#include <CLI/CLI.hpp>

namespace tutti::tools {

/// A subcommand of `explain`.
void add_explain_compression(CLI::App& explain);

}  // namespace tutti::tools
