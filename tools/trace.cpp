// `tutti trace`: puts together the parts of a timeline that ranks left behind where rank 0 could not write the whole
// (TUTTI_TRACE; collectives/watch/trace.hpp).
#include <algorithm>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include <tutti/kernels/error.hpp>
#include <tutti/kernels/text.hpp>
#include <tutti/kernels/whole_file.hpp>

#include "tools/commands.hpp"

namespace tutti::tools {
namespace {

using nlohmann::json;

json read_events(const std::string& path) {
  const json content = json::parse(read_whole_file(path), nullptr, false);
  if (content.is_discarded() || !content.is_object() || !content.contains("traceEvents") ||
      !content["traceEvents"].is_array()) {
    throw DataError(text(path, ": is no timeline: it has no array \"traceEvents\""));
  }
  return content["traceEvents"];
}

/// Times of events begin at 0: those of parts whose clocks were not compared are since 1970.
void begin_at_zero(json& events) {
  double first = 0;
  bool any = false;
  for (const json& event : events) {
    if (!event.contains("ts")) continue;
    first = any ? std::min(first, event["ts"].get<double>()) : event["ts"].get<double>();
    any = true;
  }
  for (json& event : events) {
    if (event.contains("ts")) event["ts"] = event["ts"].get<double>() - first;
  }
}

void merge(const std::vector<std::string>& parts, const std::string& out) {
  json events = json::array();
  for (const std::string& part : parts) {
    for (json& event : read_events(part)) events.push_back(std::move(event));
  }
  begin_at_zero(events);
  const json whole = {{"displayTimeUnit", "ns"}, {"traceEvents", std::move(events)}};
  write_whole_file(out, whole.dump() + '\n');
}

}  // namespace

void add_trace_command(CLI::App& app) {
  auto* command = app.add_subcommand("trace", "Merge the timeline files that ranks wrote (TUTTI_TRACE) into one");
  const auto parts = std::make_shared<std::vector<std::string>>();
  const auto out = std::make_shared<std::string>();
  command->add_option("parts", *parts, "Files that ranks wrote, FILE.rankN")->required()->type_name("PART");
  command->add_option("--out", *out, "Write the whole timeline to FILE")->required()->type_name("FILE");
  command->callback([parts, out] { merge(*parts, *out); });
}

}  // namespace tutti::tools
