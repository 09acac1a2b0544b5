#include "tools/explain/compression_table.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <numeric>

#include <tutti/kernels/error.hpp>
#include <tutti/kernels/text.hpp>

#include "tools/explain/costs.hpp"

namespace tutti::tools {
namespace {

using nlohmann::ordered_json;

constexpr double kBitsPerGigabit = 1e9;

double gigabits_of(double bytes_per_second) { return 8.0 * bytes_per_second / kBitsPerGigabit; }

const TransportCosts& crossed(const ClusterShape& cluster) {
  return cluster.nodes > 1 ? cluster.costs.network : cluster.costs.node;
}

std::string milliseconds(double seconds) { return fmt::format("{:.3f}", seconds * 1e3); }

std::string bandwidth_text(double bytes_per_second) {
  if (bytes_per_second == 0.0) return "never";
  return std::isinf(bytes_per_second) ? "always" : fmt::format("{:.3g}", gigabits_of(bytes_per_second));
}

/// Fastest first, those that cannot behind.
std::vector<std::size_t> by_time(std::span<const PredictedExchange> exchanges) {
  std::vector<std::size_t> order(exchanges.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) {
    if (exchanges[a].problem.empty() != exchanges[b].problem.empty()) return exchanges[a].problem.empty();
    return exchanges[a].seconds() < exchanges[b].seconds();
  });
  return order;
}

struct Crossing {
  double bandwidth = 0.0;
  bool is_plain = false;
};

Crossing crossing_of(const ClusterShape& cluster, std::span<const PredictedExchange> exchanges, std::size_t i) {
  if (i == 0) return {.is_plain = true};
  return {.bandwidth = crossover_bandwidth(cluster, exchanges[i], exchanges[0])};
}

std::string table_row(const ClusterShape& cluster, std::span<const PredictedExchange> exchanges, std::size_t i,
                      bool is_best) {
  const PredictedExchange& its = exchanges[i];
  const std::string name = fmt::format("{} {:<28}", is_best ? '*' : ' ', to_text(its.settings));
  if (!its.problem.empty()) return fmt::format("{} {}\n", name, its.problem);
  const Crossing crossing = crossing_of(cluster, exchanges, i);
  return fmt::format("{} {:>9.3g} {:>12} {:>12} {:>12} {:>12} {:>8.2f} {:>12}\n", name, its.error, its.payload_bytes(),
                     milliseconds(its.network_seconds), milliseconds(its.codec_seconds), milliseconds(its.seconds()),
                     its.seconds() > 0.0 ? exchanges[0].seconds() / its.seconds() : 1.0,
                     crossing.is_plain ? "-" : bandwidth_text(crossing.bandwidth));
}

std::string answer_in_words(const CompressionQuestion& question, const ClusterShape& cluster, const std::string& model,
                            std::span<const PredictedExchange> exchanges, std::size_t best) {
  std::string all = fmt::format(
      "exchange of {}: {} rank(s) on {} node(s), {}, {:.3g} Gbit/s\n"
      "predicted milliseconds: collectives by the cost model, a rank's work as measured here\n\n",
      model, cluster.ranks, cluster.nodes, crossed(cluster).name, gigabits_of(1.0 / crossed(cluster).byte));
  all += fmt::format("  {:<28} {:>9} {:>12} {:>12} {:>12} {:>12} {:>8} {:>12}\n", "codec", "error^2", "payload (B)",
                     "network", "codec", "together", "x none", "pays below");
  all += fmt::format("  {:<28} {:>9} {:>12} {:>12} {:>12} {:>12} {:>8} {:>12}\n", "", "", "", "(ms)", "(ms)", "(ms)",
                     "", "(Gbit/s)");
  for (const std::size_t i : by_time(exchanges)) all += table_row(cluster, exchanges, i, i == best);
  all += fmt::format(
      "\n* what exchange.compression = \"auto\" would take: the fastest of an error^2 of at most {:g}, if it is a "
      "tenth "
      "faster than none\n",
      question.most_error);
  return all;
}

ordered_json answer_as_json(const CompressionQuestion& question, const ClusterShape& cluster, const std::string& model,
                            std::span<const PredictedExchange> exchanges, std::size_t best) {
  ordered_json all = {{"model", model},
                      {"ranks", cluster.ranks},
                      {"nodes", cluster.nodes},
                      {"costs", crossed(cluster).name},
                      {"gigabits", gigabits_of(1.0 / crossed(cluster).byte)},
                      {"most_error", question.most_error},
                      {"best", to_text(exchanges[best].settings)},
                      {"codecs", ordered_json::array()}};
  for (const std::size_t i : by_time(exchanges)) {
    const PredictedExchange& its = exchanges[i];
    ordered_json row = {{"codec", to_text(its.settings)}};
    if (!its.problem.empty()) {
      row["problem"] = its.problem;
    } else {
      const Crossing crossing = crossing_of(cluster, exchanges, i);
      const bool is_number = !crossing.is_plain && !std::isinf(crossing.bandwidth);
      row["relative_squared_error"] = its.error;
      row["payload_bytes"] = its.payload_bytes();
      row["network_seconds"] = its.network_seconds;
      row["codec_seconds"] = its.codec_seconds;
      row["seconds"] = its.seconds();
      row["pays_below_gigabits"] = is_number ? ordered_json(gigabits_of(crossing.bandwidth)) : ordered_json();
      row["pays_always"] = std::isinf(crossing.bandwidth);
    }
    all["codecs"].push_back(std::move(row));
  }
  return all;
}

}  // namespace

void describe_compression_question(CLI::App& app, CompressionQuestion& question) {
  auto* config =
      app.add_option("--config", question.config, "The model and exchange of a configuration of `tutti train`")
          ->type_name("FILE");
  app.add_option("--elements", question.elements, "A model of so many elements, in square matrices of up to 2048 rows")
      ->check(CLI::Range(std::size_t{1}, std::size_t{1} << 40).description(""))
      ->type_name("N")
      ->excludes(config);
  app.add_option("--input", question.input, "With --config: shape of one sample, in place of data.train's")
      ->type_name("SHAPE")
      ->needs(config);
  app.add_option("--outputs", question.outputs, "Classes, with --input")->type_name("N")->capture_default_str();
  app.add_option("--ranks", question.ranks, "Number of ranks (default: those that the launcher started)")
      ->check(CLI::Range(1, 1 << 16).description(""))
      ->type_name("N");
  app.add_option("--nodes", question.nodes, "Nodes that they are on (default: a node for each)")
      ->check(CLI::Range(1, 1 << 16).description(""))
      ->type_name("N");
  app.add_option("--class", question.transport,
                 "Class of transport: shared-memory, rdma or tcp (default: this machine's network)")
      ->check(CLI::IsMember({"shared-memory", "rdma", "tcp"}).description(""))
      ->type_name("CLASS");
  app.add_option("--tuning", question.tuning, "Take the costs from a file of `tutti tune` (default: TUTTI_TUNING)")
      ->type_name("FILE");
  app.add_option("--gigabits", question.gigabits, "Bandwidth of the network in Gbit/s, if it is another")
      ->check(CLI::Range(1e-3, 1e6).description(""))
      ->type_name("G");
  app.add_option("--error", question.most_error, "Relative squared error that a codec to be used may have")
      ->type_name("E")
      ->capture_default_str();
  app.add_option("--codec", question.codecs, "Compare these settings, too; may be repeated")
      ->type_name("SETTINGS")
      ->expected(1)
      ->allow_extra_args(false)
      ->take_all();
  app.add_flag("--json", question.json, "Print one JSON object");
}

void demand_sense(const CompressionQuestion& question) {
  if (question.config.empty() && question.elements == 0)
    throw InvalidArgument("explain compression: give --config FILE or --elements N");
  if (!question.config.empty() && question.ranks == 0)
    throw InvalidArgument("explain compression: --config goes with --ranks N");
  if (question.ranks == 0 && (question.nodes != 0 || !question.transport.empty()))
    throw InvalidArgument("explain compression: --nodes and --class go with --ranks only");
  if (question.nodes > question.ranks)
    throw InvalidArgument(
        text("explain compression: --nodes ", question.nodes, " are more than --ranks ", question.ranks));
}

std::vector<CodecSettings> compared_codecs(const CompressionQuestion& question) {
  std::vector<CodecSettings> all = default_settings();
  for (const std::string& one : question.codecs)
    if (const CodecSettings settings = codec_settings(one); std::find(all.begin(), all.end(), settings) == all.end())
      all.push_back(settings);
  return all;
}

ClusterShape asked_cluster(const CompressionQuestion& question) {
  CostOptions options;
  options.transport = question.transport;
  options.tuning = question.tuning;
  const ExplainedCosts costs = find_costs(options);
  ClusterShape cluster = {.ranks = question.ranks, .nodes = question.nodes > 0 ? question.nodes : question.ranks};
  if (costs.one_node) cluster.nodes = 1;
  cluster.costs = costs.levels;
  return question.gigabits > 0.0 ? with_gigabits(cluster, question.gigabits) : cluster;
}

ClusterShape with_gigabits(ClusterShape cluster, double gigabits) {
  TransportCosts& level = cluster.nodes > 1 ? cluster.costs.network : cluster.costs.node;
  level.byte = 8.0 / (gigabits * kBitsPerGigabit);
  return cluster;
}

std::string compression_answer(const CompressionQuestion& question, const ClusterShape& cluster,
                               const std::string& model, std::span<const PredictedExchange> exchanges) {
  const std::size_t best = best_exchange(exchanges, question.most_error);
  return question.json ? answer_as_json(question, cluster, model, exchanges, best).dump(1) + "\n"
                       : answer_in_words(question, cluster, model, exchanges, best);
}

}  // namespace tutti::tools
