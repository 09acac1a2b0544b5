// What `tutti ps` prints for people.
#pragma once

#include <string>

#include "tools/ps/jobs.hpp"

namespace tutti::tools {

/// A line about the job, a table of its processes, and a line for each suspect.
std::string to_table(const Job& job);

/// Whether a rank keeps others waiting.
bool has_stalled(const Job& job);

}  // namespace tutti::tools
