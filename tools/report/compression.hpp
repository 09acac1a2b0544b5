// The part of a run's page that is about the compression of gradients: what checks found, of each parameter, and which
// codecs were replaced.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "tools/report/chart.hpp"

namespace tutti::tools {

/// Records of kind "compression" of metrics.jsonl, over their steps: what is held back, and what arrives.
std::vector<Chart> compression_charts(const std::vector<nlohmann::json>& records);

/// A table of the last check of each parameter, and why codecs were replaced; nothing without records.
std::string compression_html(const std::vector<nlohmann::json>& records);

}  // namespace tutti::tools
