#include "tools/report/compression.hpp"

#include <fmt/core.h>

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>

#include "tools/report/files.hpp"
#include "tools/report/html.hpp"

namespace tutti::tools {

namespace {

using nlohmann::json;

/// The checks of a record; none if it is not what the trainer writes.
json checks_of(const json& record) {
  const auto found = record.find("parameters");
  return found != record.end() && found->is_array() ? *found : json::array();
}

/// Over the parameters of each record, the figure that `better` puts last.
template <class Better>
Series worst_of(const std::vector<json>& records, const char* title, int colour, const char* key, Better better) {
  Series series{.title = title, .colour = colour, .points = {}};
  for (const json& record : records) {
    const auto step = number_at(record, "step");
    std::optional<double> worst;
    for (const json& check : checks_of(record))
      if (const auto value = number_at(check, key); value && (!worst || better(*worst, *value))) worst = value;
    if (step && worst) series.points.push_back({*step, *worst});
  }
  return series;
}

std::string figure(const json& check, const char* key) {
  const auto value = number_at(check, key);
  return value ? fmt::format("{:.4g}", *value) : "";
}

}  // namespace

std::vector<Chart> compression_charts(const std::vector<json>& records) {
  const auto more = [](double worst, double value) { return value > worst; };
  const auto less = [](double worst, double value) { return value < worst; };
  return {{.id = "residual",
           .title = "Held back, over the norm of the gradient",
           .x_label = "step",
           .x_unit = Unit::count,
           .from_zero = true,
           .series = {worst_of(records, "parameter with most", 2, "residual", more)}},
          {.id = "agreement",
           .title = "Sent of what was to be sent, and direction of what came",
           .x_label = "step",
           .x_unit = Unit::count,
           .series = {worst_of(records, "least contraction", 1, "contraction", less),
                      worst_of(records, "least cosine", 6, "cosine", less)}}};
}

std::string compression_html(const std::vector<json>& records) {
  std::vector<std::string> order;
  std::map<std::string, json> last;  // by parameter
  std::string notes;
  for (const json& record : records)
    for (const json& check : checks_of(record)) {
      const auto name = text_at(check, "parameter");
      if (!name) continue;
      if (!last.contains(*name)) order.push_back(*name);
      json& its = last[*name];
      its.update(check);  // cosine and error are those of the last step in which they were measured
      if (const auto by = text_at(check, "replaced_by"))
        notes += note_html(fmt::format("Step {}: {} travels as {} from then on, not as {}: {}.",
                                       text_at(record, "step").value_or("?"), *name, *by,
                                       text_at(check, "codec").value_or("?"), text_at(check, "problem").value_or("")));
    }
  if (order.empty()) return {};
  std::vector<std::vector<std::string>> rows;
  for (const std::string& name : order) {
    const json& its = last[name];
    rows.push_back({name, text_at(its, "replaced_by").value_or(text_at(its, "codec").value_or("")),
                    figure(its, "contraction"), figure(its, "residual"), figure(its, "cosine"), figure(its, "error"),
                    figure(its, "saturated")});
  }
  return heading_html("Compression") + notes +
         details_html(
             "Parameters by their last check",
             table_html({"parameter", "codec", "contraction", "residual", "cosine", "error", "saturated"}, rows));
}

}  // namespace tutti::tools
