// Findings of all checks, merged over hosts, as lines and as JSON.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "tools/doctor/check.hpp"

namespace tutti::tools::doctor {

/// A finding, and the hosts for which it is the same; no hosts: it is the job's.
struct Line {
  const char* check;
  Finding finding;
  std::vector<std::string> hosts;
};

/// What all checks say, in the order of their tables; those of one check with the worst first.
std::vector<Line> examine(const JobFacts& job);

/// How many lines have this status.
int count(const std::vector<Line>& lines, Status status);

/// One line each, and one of totals. Hosts are named where the job has several and not all are alike.
std::string to_text(const std::vector<Line>& lines, std::size_t hosts);

/// Findings, totals, and the facts they are from.
nlohmann::json to_json(const std::vector<Line>& lines, const JobFacts& job);

}  // namespace tutti::tools::doctor
