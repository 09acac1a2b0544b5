// The page of a training run.
#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <cstdio>
#include <iterator>
#include <optional>
#include <sstream>

#include <tutti/kernels/error.hpp>
#include <tutti/kernels/text.hpp>

#include "tools/report/classes.hpp"
#include "tools/report/compression.hpp"
#include "tools/report/files.hpp"
#include "tools/report/html.hpp"
#include "tools/report/report.hpp"

namespace tutti::tools {
namespace {

using nlohmann::json;

/// What a run folder says.
struct Run {
  std::filesystem::path folder;
  json result = json::object();
  bool ended = false;  ///< there is a result
  std::vector<json> training;
  std::vector<json> evaluations;
  std::vector<json> checkpoints;
  std::vector<json> compression;
  std::size_t unreadable_lines = 0;
};

void read_metrics(const std::filesystem::path& file, Run& run) {
  std::istringstream lines(read_file(file));
  for (std::string line; std::getline(lines, line);) {
    if (line.empty()) continue;
    json object = json::parse(line, nullptr, false);
    if (!object.is_object()) {  // a run ended from outside may leave half a line
      ++run.unreadable_lines;
    } else if (text_at(object, "kind") == "evaluation" || object.contains("test_accuracy")) {
      run.evaluations.push_back(std::move(object));
    } else if (text_at(object, "kind") == "checkpoint") {
      run.checkpoints.push_back(std::move(object));
    } else if (text_at(object, "kind") == "compression") {
      run.compression.push_back(std::move(object));
    } else {
      run.training.push_back(std::move(object));
    }
  }
}

Run read_run(const std::filesystem::path& folder) {
  if (!std::filesystem::is_directory(folder)) throw DataError(text("report: ", folder.string(), " is not a folder"));
  const auto metrics = folder / "metrics.jsonl";
  const auto result = folder / "result.json";
  Run run;
  run.folder = folder;
  const bool has_metrics = std::filesystem::exists(metrics);
  run.ended = std::filesystem::exists(result);
  if (!has_metrics && !run.ended)
    throw DataError(text("report: ", folder.string(), " holds no run: neither metrics.jsonl nor result.json is there"));
  if (has_metrics) read_metrics(metrics, run);
  if (run.ended) {
    run.result = json::parse(read_file(result), nullptr, false);
    if (!run.result.is_object()) throw DataError(text("report: ", result.string(), " is not a JSON object"));
  }
  return run;
}

/// The value at `key` of the result, or else of the last record that has it.
std::optional<double> last_value(const Run& run, const std::vector<json>& records, const char* key) {
  if (const auto value = number_at(run.result, key)) return value;
  const auto has_key = [key](const json& record) { return number_at(record, key).has_value(); };
  const auto last = std::find_if(records.rbegin(), records.rend(), has_key);
  return last == records.rend() ? std::nullopt : number_at(*last, key);
}

Series series_of(const std::vector<json>& records, const char* title, int colour, const char* key) {
  Series series{.title = title, .colour = colour, .points = {}};
  for (const auto& record : records) {
    const auto x = number_at(record, "step");
    const auto y = number_at(record, key);
    if (x && y) series.points.push_back({*x, *y});
  }
  return series;
}

/// The parts of a step's time, each on top of the one before: only of steps that have them all.
Chart phases_chart(const Run& run) {
  struct Phase {
    const char* key;
    const char* title;
    int colour;
  };
  constexpr Phase kPhases[] = {{"reading_s", "reading", 4},   {"forward_s", "forward", 1},
                               {"backward_s", "backward", 6}, {"communication_s", "communication", 2},
                               {"update_s", "update", 5},     {"other_s", "other", 7}};
  std::vector<json> whole;
  for (const json& record : run.training) {
    const auto has = [&](const Phase& phase) { return number_at(record, phase.key).has_value(); };
    if (std::all_of(std::begin(kPhases), std::end(kPhases), has)) whole.push_back(record);
  }
  Chart chart{.id = "phases",
              .title = "Time of a step, without rare peaks",
              .x_label = "step",
              .x_unit = Unit::count,
              .y_unit = Unit::seconds,
              .stacked = true};
  for (const Phase& phase : kPhases) chart.series.push_back(series_of(whole, phase.title, phase.colour, phase.key));
  return chart;
}

std::vector<Chart> charts_of(const Run& run) {
  const auto chart = [](const char* id, const char* title, Unit unit, std::vector<Series> series) {
    return Chart{.id = id,
                 .title = title,
                 .x_label = "step",
                 .x_unit = Unit::count,
                 .y_unit = unit,
                 .series = std::move(series)};
  };
  std::vector<Chart> charts = {
      chart("loss", "Loss", Unit::number,
            {series_of(run.training, "training", 1, "loss"), series_of(run.evaluations, "test", 2, "test_loss")}),
      chart("accuracy", "Accuracy", Unit::percent, {series_of(run.evaluations, "test", 2, "test_accuracy")}),
      chart("throughput", "Samples per second", Unit::number,
            {series_of(run.training, "all ranks", 1, "samples_per_s")}),
      chart("communication", "Communication, share of step time", Unit::percent,
            {series_of(run.training, "exposed waiting", 1, "comm_share")}),
  };
  if (auto training = series_of(run.training, "training", 1, "accuracy"); !training.points.empty())
    charts[1].series.insert(charts[1].series.begin(), std::move(training));
  if (auto error = series_of(run.evaluations, "test", 2, "test_rmse"); !error.points.empty())  // numbers, not classes
    charts[1] = chart("error", "Root mean square error", Unit::number, {std::move(error)});
  charts[2].from_zero = charts[3].from_zero = true;
  std::vector<Chart> measured = {
      phases_chart(run),
      chart("payload", "Bytes a step hands to collectives", Unit::bytes,
            {series_of(run.training, "rank 0", 1, "payload_bytes")}),
      chart("memory", "Memory, high-water mark", Unit::bytes,
            {series_of(run.checkpoints, "largest rank", 1, "memory_bytes")}),
  };
  measured[1].from_zero = measured[2].from_zero = true;
  for (Chart& each : compression_charts(run.compression)) measured.push_back(std::move(each));
  for (Chart& each : measured)
    if (has_points(each)) charts.push_back(std::move(each));
  std::vector<double> steps;  // all charts cover all steps, so that one can be read below the other
  for (const auto* records : {&run.training, &run.evaluations, &run.checkpoints}) {
    for (const auto& record : *records) {
      if (const auto step = number_at(record, "step")) steps.push_back(*step);
    }
  }
  if (!steps.empty()) {
    const auto [first, last] = std::minmax_element(steps.begin(), steps.end());
    for (auto& each : charts) each.x_includes = {*first, *last};
  }
  return charts;
}

/// 12345678 as "12,345,678".
std::string with_commas(double value) {
  std::string digits = fmt::format("{:.0f}", value);
  for (auto at = static_cast<std::ptrdiff_t>(digits.size()) - 3; at > (digits[0] == '-' ? 1 : 0); at -= 3)
    digits.insert(static_cast<std::size_t>(at), 1, ',');
  return digits;
}

std::string duration(double seconds) {
  if (seconds < 120) return fmt::format("{:.1f} s", seconds);
  if (seconds < 7200) return fmt::format("{:.1f} min", seconds / 60);
  return fmt::format("{:.1f} h", seconds / 3600);
}

std::string count_of(double n, const char* one) { return with_commas(n) + " " + one + (n == 1 ? "" : "s"); }

/// "best" of the result: figure, value, step, and the file of its checkpoint where it was kept.
std::optional<Figure> best_evaluation(const Run& run) {
  const json best = run.result.value("best", json());
  const auto figure = text_at(best, "figure");
  const auto value = number_at(best, "value");
  const auto step = number_at(best, "step");
  if (!figure || !value || !step) return std::nullopt;
  const auto checkpoint = text_at(best, "checkpoint");
  return Figure{"Best " + *figure, fmt::format("{:.4g}", *value),
                "after step " + with_commas(*step) + (checkpoint ? ", " + *checkpoint : "")};
}

std::vector<Figure> figures_of(const Run& run) {
  std::vector<Figure> figures;
  const auto add = [&](const char* label, const std::optional<double>& value, auto format, std::string note = "") {
    if (value) figures.push_back({label, format(*value), std::move(note)});
  };
  const auto percent = [](double share) { return fmt::format("{:.2f} %", share * 100); };
  const auto rounded = [](double value) { return fmt::format("{:.4g}", value); };
  const auto epochs = last_value(run, run.training, "epochs");
  const auto steps =
      number_at(run.result, "steps") ? number_at(run.result, "steps") : last_value(run, run.training, "step");
  const auto nodes = number_at(run.result, "nodes");
  add("Test accuracy", last_value(run, run.evaluations, "test_accuracy"), percent,
      epochs ? "after " + count_of(*epochs, "epoch") : "");
  add("Test RMSE", last_value(run, run.evaluations, "test_rmse"), rounded);
  add("Test loss", last_value(run, run.evaluations, "test_loss"), rounded);
  if (const auto best = best_evaluation(run)) figures.push_back(*best);
  if (run.evaluations.empty()) add("Training loss", last_value(run, run.training, "loss"), rounded, "latest step");
  add("Training time", number_at(run.result, "train_seconds"), duration, steps ? count_of(*steps, "step") : "");
  add("Samples / s", last_value(run, run.training, "samples_per_s"), with_commas,
      number_at(run.result, "samples_per_s") ? "whole run" : "latest step");
  add("Communication", last_value(run, run.training, "comm_share"), percent, "share of step time");
  const auto bytes = [](double value) { return format_value(Unit::bytes, value); };
  add("Memory", last_value(run, run.checkpoints, "memory_bytes"), bytes, "most of any rank");
  add("Ranks", number_at(run.result, "world_size"), with_commas, nodes ? "on " + count_of(*nodes, "node") : "");
  add("Parameters", number_at(run.result, "parameters"), with_commas, text_at(run.result, "model").value_or(""));
  return figures;
}

std::vector<std::vector<std::string>> rows_of(const json& object) {
  std::vector<std::vector<std::string>> rows;
  for (const auto& [key, value] : object.items()) rows.push_back({key, text_at(object, key.c_str()).value_or("null")});
  return rows;
}

/// A file of the run folder as a closed section: an object as a table, anything else as it is.
std::string file_section(const Run& run, const char* name, const char* summary) {
  const auto file = run.folder / name;
  if (!std::filesystem::is_regular_file(file)) return {};
  const std::string content = read_file(file);
  const json object = json::parse(content, nullptr, false);
  return details_html(summary,
                      object.is_object() ? table_html({"key", "value"}, rows_of(object)) : preformatted_html(content));
}

/// Written with the result, and not of a run without classes.
std::string classes_section(const Run& run) {
  const auto file = run.folder / "classes.json";
  if (!run.ended || !std::filesystem::is_regular_file(file)) return {};
  return classes_html(json::parse(read_file(file), nullptr, false));
}

std::string notes(const Run& run) {
  std::string all;
  if (!run.ended) all += note_html("There is no result.json: this run has not ended, or was ended from outside.");
  if (run.unreadable_lines > 0)
    all += note_html(
        fmt::format("{} line(s) of metrics.jsonl could not be read and were left out.", run.unreadable_lines));
  return all;
}

std::string subtitle(const Run& run) {
  std::string line = text_at(run.result, "model").value_or("");
  for (const char* key : {"dataset", "date", "ended"}) {
    const auto value = text_at(run.result, key);
    if (!value) continue;
    if (!line.empty()) line += " · ";
    line += *value;
  }
  return line.empty() ? "training run" : line;
}

}  // namespace

void write_report(const std::filesystem::path& run_dir) {
  const Run run = read_run(run_dir);
  const auto charts = charts_of(run);
  const auto drawings = draw(charts);
  std::string body = notes(run) + figures_html(figures_of(run)) + charts_html(charts, drawings) +
                     compression_html(run.compression) + classes_section(run) + heading_html("Details");
  body += file_section(run, "config.toml", "Configuration in effect");
  if (run.ended) body += details_html("Result", table_html({"key", "value"}, rows_of(run.result)));
  body += file_section(run, "environment.json", "Environment");

  auto named = std::filesystem::absolute(run_dir).lexically_normal();
  if (!named.has_filename()) named = named.parent_path();
  const auto page = run_dir / "report.html";
  replace_file(page, page_html(named.filename().string(), subtitle(run), body));
  if (!drawings.problem.empty()) {
    const bool install = drawings.problem.find("not installed") != std::string::npos;
    std::fprintf(stderr, "tutti: note: charts left out of %s: %s; %srun `tutti report %s` again\n", page.c_str(),
                 drawings.problem.c_str(), install ? "install gnuplot and " : "", run_dir.c_str());
  }
}

}  // namespace tutti::tools
