// One self-contained HTML page of a training run or of a benchmark: no scripts, nothing loaded from elsewhere, charts
// as inline SVG drawn by gnuplot.
#pragma once

#include <filesystem>

namespace tutti::tools {

/// Reads metrics.jsonl and result.json (one of them may be missing: an unfinished run, or one without metrics) and,
/// where they are there, config.toml, environment.json and classes.json of `run_dir`, and writes report.html beside
/// them.
///
/// Without gnuplot the page is written without charts, and one line on standard error says so.
/// \throws DataError naming the folder or file: it holds no run, cannot be read, or cannot be written.
void write_report(const std::filesystem::path& run_dir);

/// The same for the JSON that `tutti perf --json` (an array of rows) or `./run bench` (an object that holds such an
/// array as `collectives`, and `kernels`) wrote. \throws DataError likewise.
void write_bench_report(const std::filesystem::path& file, const std::filesystem::path& page);

}  // namespace tutti::tools
