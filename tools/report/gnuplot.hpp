// Running gnuplot as a child process.
#pragma once

#include <chrono>
#include <string>

namespace tutti::tools {

struct GnuplotResult {
  std::string output;    ///< what it wrote on standard output
  std::string problem;   ///< why there is none, as the end of a sentence; empty if all went well
  bool missing = false;  ///< the problem is that gnuplot is not installed
};

/// Feeds `script` to gnuplot (found on PATH, or named by TUTTI_GNUPLOT) and waits at most `limit` for it to end.
GnuplotResult run_gnuplot(const std::string& script, std::chrono::milliseconds limit = std::chrono::seconds(30));

}  // namespace tutti::tools
