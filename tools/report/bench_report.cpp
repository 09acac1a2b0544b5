// The page of a benchmark: bus bandwidth and latency over size, and overlap of started collectives, tutti beside the
// MPI library and beside what point-to-point messages allow.
#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <cstdio>
#include <functional>
#include <limits>
#include <set>

#include <tutti/kernels/error.hpp>
#include <tutti/kernels/text.hpp>

#include "tools/report/files.hpp"
#include "tools/report/html.hpp"
#include "tools/report/report.hpp"

namespace tutti::tools {
namespace {

using nlohmann::json;

/// Rows that belong in one pair of charts, in the order of the file.
struct RankGroup {
  std::string title;
  std::vector<json> rows;
};

std::string value_or_dash(const json& row, const char* key) { return text_at(row, key).value_or("-"); }

/// " on 2 nodes"; nothing for one node.
std::string nodes_text(const json& row) {
  const auto nodes = number_at(row, "nodes").value_or(1);
  return nodes > 1 ? fmt::format(" on {:.0f} nodes", nodes) : "";
}

std::vector<RankGroup> group_rows(const json& rows) {
  std::vector<RankGroup> groups;
  for (const auto& row : rows) {
    std::string title = fmt::format("{}, {}", value_or_dash(row, "collective"), value_or_dash(row, "dtype"));
    if (value_or_dash(row, "op") != "none") title.append(" ").append(value_or_dash(row, "op"));
    title += fmt::format(", {} ranks{}", value_or_dash(row, "ranks"), nodes_text(row));
    if (value_or_dash(row, "nonblocking") == "true") title += ", non-blocking";
    if (value_or_dash(row, "in_place") == "true") title += ", in place";
    if (value_or_dash(row, "algorithm") != "auto") title.append(", ").append(value_or_dash(row, "algorithm"));
    auto found = groups.begin();
    while (found != groups.end() && found->title != title) ++found;
    if (found == groups.end()) found = groups.insert(groups.end(), RankGroup{.title = title, .rows = {}});
    found->rows.push_back(row);
  }
  return groups;
}

using Value = std::function<std::optional<double>(const json& row)>;

Value at(const char* key) {
  return [key](const json& row) { return number_at(row, key); };
}

/// The time that the limit allows, and the bandwidth that goes with it: from what the row reached and its share.
std::optional<double> limit_time(const json& row) {
  const auto time = number_at(row, "time_us_median");
  const auto share = number_at(row, "limit_percent");
  return time && share ? std::optional(*time * *share / 100) : std::nullopt;
}
std::optional<double> limit_bandwidth(const json& row) {
  const auto bandwidth = number_at(row, "busbw_gb_s");
  const auto share = number_at(row, "limit_percent");
  return bandwidth && share && *share > 0 ? std::optional(*bandwidth / *share * 100) : std::nullopt;
}

/// Adds a line over the sizes up to `most` bytes, if any row has a value.
void add_series(Chart& chart, const RankGroup& group, const char* title, int colour, const Value& value, double most) {
  Series series{.title = title, .colour = colour, .points = {}};
  for (const auto& row : group.rows) {
    const auto x = number_at(row, "size_bytes");
    const auto y = value(row);
    if (x && y && *x <= most) series.points.push_back({*x, *y});
  }
  if (!series.points.empty()) chart.series.push_back(std::move(series));
}

/// The charts of a group; those without points (of barrier, which has no sizes, all of them) are not drawn.
std::vector<Chart> charts_of(const RankGroup& group, std::size_t index) {
  constexpr double kAll = std::numeric_limits<double>::infinity();
  constexpr double kSmall = 64 * 1024;  // up to here, bytes hardly count
  const auto chart = [&](const char* id, const char* title, Unit unit, const Value& ours, const Value& theirs,
                         const Value& limit, double most) {
    Chart made{.id = fmt::format("{}{}", id, index),
               .title = title,
               .x_label = "size in bytes",
               .x_unit = Unit::bytes,
               .y_unit = unit,
               .log_x = true,
               .log_y = true};
    add_series(made, group, "tutti", 1, ours, most);
    add_series(made, group, "MPI library", 2, theirs, most);
    add_series(made, group, "point to point", Series::kGuide, limit, most);
    return made;
  };
  const auto nothing = [](const json&) { return std::optional<double>(); };
  std::vector<Chart> charts = {
      chart("bus", "Bus bandwidth, GB/s", Unit::number, at("busbw_gb_s"), at("mpi_busbw_gb_s"), limit_bandwidth, kAll),
      chart("time", "Latency, median", Unit::microseconds, at("time_us_median"), at("mpi_time_us_median"), limit_time,
            kSmall),
      chart("overlap", "Overlap with computation", Unit::percent, at("overlap"), at("mpi_overlap"), nothing, kAll)};
  charts.back().log_y = false;
  charts.back().from_zero = true;
  return charts;
}

std::string number_cell(const json& row, const char* key, const char* format) {
  const auto value = number_at(row, key);
  return value ? fmt::format(fmt::runtime(format), *value) : "-";
}

std::string percent_cell(const json& row, const char* key) {
  const auto value = number_at(row, key);
  return value ? fmt::format("{:.0f}", *value * 100) : "-";
}

std::string table_of(const RankGroup& group) {
  const bool started = number_at(group.rows.front(), "overlap").has_value();
  std::vector<std::string> heading = {"size",         "time (us)", "p99 (us)", "algbw (GB/s)",
                                      "busbw (GB/s)", "% of p2p",  "wrong"};
  if (started) heading.emplace_back("overlap (%)");
  for (const char* name : {"MPI time (us)", "MPI p99 (us)", "MPI / tutti"}) heading.emplace_back(name);
  if (started) heading.emplace_back("MPI overlap (%)");
  std::vector<std::vector<std::string>> rows;
  for (const auto& row : group.rows) {
    const auto ours = number_at(row, "time_us_median");
    const auto mpi = number_at(row, "mpi_time_us_median");
    const auto bytes = number_at(row, "size_bytes");
    std::vector<std::string> cells = {bytes ? format_value(Unit::bytes, *bytes) : "-",
                                      number_cell(row, "time_us_median", "{:.2f}"),
                                      number_cell(row, "time_us_p99", "{:.2f}"),
                                      number_cell(row, "algbw_gb_s", "{:.3f}"),
                                      number_cell(row, "busbw_gb_s", "{:.3f}"),
                                      number_cell(row, "limit_percent", "{:.1f}"),
                                      number_cell(row, "wrong", "{:.0f}")};
    if (started) cells.push_back(percent_cell(row, "overlap"));
    cells.push_back(number_cell(row, "mpi_time_us_median", "{:.2f}"));
    cells.push_back(number_cell(row, "mpi_time_us_p99", "{:.2f}"));
    cells.push_back(ours && mpi && *ours > 0 ? fmt::format("{:.2f}", *mpi / *ours) : "-");
    if (started) cells.push_back(percent_cell(row, "mpi_overlap"));
    rows.push_back(std::move(cells));
  }
  return table_html(heading, rows);
}

std::string kernels_section(const json& kernels) {
  if (!kernels.is_array() || kernels.empty()) return {};
  std::vector<std::vector<std::string>> rows;
  for (const auto& kernel : kernels) {
    const auto rate = number_at(kernel, "bytes_per_second");
    rows.push_back({value_or_dash(kernel, "name"), number_cell(kernel, "time_ns", "{:.0f}"),
                    rate ? fmt::format("{:.2f}", *rate / 1e9) : "-"});
  }
  return heading_html("Kernels, one core") + table_html({"kernel", "time (ns)", "GB/s"}, rows);
}

std::vector<Figure> figures_of(const json& rows) {
  std::set<std::string> collectives;
  double wrong = 0;
  for (const auto& row : rows) {
    collectives.insert(value_or_dash(row, "collective"));
    wrong += number_at(row, "wrong").value_or(0);
  }
  std::vector<Figure> figures = {
      {"Collectives", fmt::format("{}", collectives.size()), fmt::format("{} rows", rows.size())},
      {"Wrong elements", fmt::format("{:.0f}", wrong), wrong == 0 ? "every result was checked" : "see the tables"}};
  std::set<double> worlds;
  for (const auto& row : rows) worlds.insert(number_at(row, "ranks").value_or(0));
  figures.push_back({"Ranks", fmt::format("{}", fmt::join(worlds, ", ")), worlds.size() > 1 ? "one run each" : ""});
  return figures;
}

}  // namespace

void write_bench_report(const std::filesystem::path& file, const std::filesystem::path& page) {
  const json whole = json::parse(read_file(file), nullptr, false);
  const json rows = whole.is_object() ? whole.value("collectives", json()) : whole;
  if (!rows.is_array() || rows.empty() || !number_at(rows.front(), "time_us_median"))
    throw DataError(text("report: ", file.string(),
                         " holds no benchmark: expected the JSON that `tutti perf --json` or ",
                         "`./run bench` writes"));
  const auto groups = group_rows(rows);
  std::vector<Chart> charts;
  std::vector<std::size_t> first_chart;
  for (std::size_t i = 0; i < groups.size(); ++i) {
    first_chart.push_back(charts.size());
    for (auto& chart : charts_of(groups[i], i)) {
      if (has_points(chart)) charts.push_back(std::move(chart));
    }
  }
  first_chart.push_back(charts.size());
  const auto drawings = draw(charts);

  std::string body = figures_html(figures_of(rows));
  if (!drawings.problem.empty()) body += charts_html({}, drawings);
  for (std::size_t i = 0; i < groups.size(); ++i) {
    const auto begin = static_cast<std::ptrdiff_t>(first_chart[i]);
    const auto end = static_cast<std::ptrdiff_t>(first_chart[i + 1]);
    body += heading_html(groups[i].title);
    if (drawings.problem.empty() && begin != end)
      body += charts_html({charts.begin() + begin, charts.begin() + end},
                          {{drawings.svg.begin() + begin, drawings.svg.begin() + end}, ""});
    body += table_of(groups[i]);
  }
  if (whole.is_object()) body += kernels_section(whole.value("kernels", json()));
  const json& first = rows.front();
  replace_file(page, page_html(file.stem().string(),
                               fmt::format("Benchmark · {} · {} · tutti {} · {}", value_or_dash(first, "cpu"),
                                           value_or_dash(first, "mpi_library"), value_or_dash(first, "version"),
                                           value_or_dash(first, "date")),
                               body));
  if (!drawings.problem.empty()) {
    std::fprintf(stderr, "tutti: note: charts left out of %s: %s\n", page.c_str(), drawings.problem.c_str());
  }
}

}  // namespace tutti::tools
