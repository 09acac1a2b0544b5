#include "bench/training/outcome.hpp"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstddef>
#include <ctime>
#include <fstream>

#include <fmt/chrono.h>
#include <fmt/core.h>
#include <nlohmann/json.hpp>

#include <tutti/kernels/dtype.hpp>
#include <tutti/kernels/error.hpp>

#include "bench/training/arithmetic.hpp"

namespace tutti::bench {

namespace {

struct Spread {
  double low, median, high;  // quartiles
};

Spread spread(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  const auto at = [&](double share) {  // between two values where it falls there
    const double place = share * static_cast<double>(values.size() - 1);
    const auto below = static_cast<std::size_t>(place);
    const std::size_t above = std::min(below + 1, values.size() - 1);
    return values[below] + (values[above] - values[below]) * (place - std::floor(place));
  };
  return {at(0.25), at(0.5), at(0.75)};
}

std::vector<double> each(const Turns& turns, double BlockTime::*what) {
  std::vector<double> values;
  for (const BlockTime& block : turns.blocks) values.push_back(block.*what);
  return values;
}

/// Round by round, over what is the least that round: the step without communication, or the link.
std::vector<double> ratios(const Outcome& outcome, const Turns& turns) {
  const Turns& alone = outcome.contestants.front();
  std::vector<double> values;
  for (std::size_t i = 0; i < turns.blocks.size(); ++i)
    values.push_back(turns.blocks[i].step_seconds / std::max(alone.blocks[i].step_seconds, link_seconds(outcome)));
  return values;
}

std::string now() { return fmt::format("{:%Y-%m-%dT%H:%M:%SZ}", fmt::gmtime(std::time(nullptr))); }

nlohmann::json json_of(const Spread& spread) {
  return {{"median", spread.median}, {"quartiles", {spread.low, spread.high}}};
}

}  // namespace

double link_seconds(const Outcome& outcome) {
  if (!outcome.gigabits) return 0.0;
  const double ranks = outcome.ranks;
  const auto bytes = static_cast<double>(outcome.parameters * size_of(dtype_from_name(outcome.dtype)));
  return 2.0 * (ranks - 1.0) / ranks * bytes * 8.0 / (*outcome.gigabits * 1e9);
}

std::string table(const Outcome& outcome) {
  const std::size_t rounds = outcome.contestants.front().blocks.size();
  std::string text = fmt::format(
      "# {} of {} parameters ({}); {} ranks on {} node(s), {} thread(s) each; {} samples a step; {} rounds of {} "
      "step(s)\n# {}; BLAS {}; oneDNN {}; {}\n",
      outcome.model, outcome.parameters, outcome.dtype, outcome.ranks, outcome.nodes, outcome.threads,
      outcome.global_batch, rounds, outcome.steps, processor_name(), blas_library(), onednn_library(), now());
  if (outcome.gigabits)
    text += fmt::format("# the gradients take at least {:.1f} ms on links of {:g} Gbit/s\n",
                        link_seconds(outcome) * 1e3, *outcome.gigabits);
  std::size_t width = 24;
  for (const Turns& turns : outcome.contestants) width = std::max(width, turns.name.size());
  text += fmt::format("{:<{}} {:>9} {:>9} {:>19} {:>11} {:>9} {:>10} {:>8}\n", "turns of", width, "step ms", "ratio",
                      "quartiles", "processor", "exchange", "payload MB", "buckets");
  for (const Turns& turns : outcome.contestants) {
    const Spread step = spread(each(turns, &BlockTime::step_seconds));
    const Spread ratio = spread(ratios(outcome, turns));
    text += fmt::format("{:<{}} {:>9.2f} {:>9.3f} {:>9.3f} {:>9.3f} {:>11.2f} {:>9.2f} {:>10.3f} {:>8}\n", turns.name,
                        width, step.median * 1e3, ratio.median, ratio.low, ratio.high,
                        spread(each(turns, &BlockTime::processor_seconds)).median * 1e3,
                        spread(each(turns, &BlockTime::exposed_seconds)).median * 1e3,
                        spread(each(turns, &BlockTime::payload_bytes)).median * 1e-6, turns.buckets);
  }
  return text;
}

void write_json(const Outcome& outcome, const std::string& file) {
  nlohmann::json json{{"kind", "training"},
                      {"time", now()},
                      {"processor", processor_name()},
                      {"blas", blas_library()},
                      {"onednn", onednn_library()},
                      {"ranks", outcome.ranks},
                      {"nodes", outcome.nodes},
                      {"threads", outcome.threads},
                      {"model", outcome.model},
                      {"dtype", outcome.dtype},
                      {"parameters", outcome.parameters},
                      {"samples_per_step", outcome.global_batch},
                      {"steps_per_block", outcome.steps}};
  if (outcome.gigabits) {
    json["link_gigabits_per_s"] = *outcome.gigabits;
    json["link_s"] = link_seconds(outcome);
  }
  for (const Turns& turns : outcome.contestants)
    json["turns"].push_back({{"name", turns.name},
                             {"exchange", turns.exchange},
                             {"buckets", turns.buckets},
                             {"step_s", json_of(spread(each(turns, &BlockTime::step_seconds)))},
                             {"ratio", json_of(spread(ratios(outcome, turns)))},
                             {"processor_s", json_of(spread(each(turns, &BlockTime::processor_seconds)))},
                             {"payload_bytes", spread(each(turns, &BlockTime::payload_bytes)).median},
                             {"exposed_s", json_of(spread(each(turns, &BlockTime::exposed_seconds)))},
                             {"rounds_step_s", each(turns, &BlockTime::step_seconds)}});
  std::ofstream out(file);
  out << json.dump(1) << '\n';
  out.close();
  if (!out) throw Error(file + " cannot be written");
}

}  // namespace tutti::bench
