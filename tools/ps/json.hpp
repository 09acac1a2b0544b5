// What is seen of processes as JSON: how hosts tell rank 0, and what `tutti ps --json` prints (tools/README.md).
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "tools/ps/jobs.hpp"
#include "tools/ps/scan.hpp"

namespace tutti::tools {

std::string to_text(const std::vector<SeenProcess>& processes);
std::vector<SeenProcess> processes_from(const std::string& text);

/// With suspects.
nlohmann::ordered_json to_json(const Job& job);

}  // namespace tutti::tools
