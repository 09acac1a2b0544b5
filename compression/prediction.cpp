#include <tutti/compression/prediction.hpp>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <limits>
#include <numeric>

#include <tutti/allreduce/allreduce.hpp>
#include <tutti/allreduce/allreduce_table.hpp>
#include <tutti/collectives/inspect/communicator.hpp>
#include <tutti/collectives/schedule/algorithm_table.hpp>
#include <tutti/compression/normal_values.hpp>
#include <tutti/kernels/error.hpp>

namespace tutti {

namespace {

using PredictionClock = std::chrono::steady_clock;

constexpr std::size_t kMeasuredValues = std::size_t{1} << 22;

/// Those of the level that messages of all ranks cross.
TransportCosts& used_costs(ClusterShape& cluster) {
  return cluster.nodes > 1 ? cluster.costs.network : cluster.costs.node;
}
const TransportCosts& used_costs(const ClusterShape& cluster) {
  return cluster.nodes > 1 ? cluster.costs.network : cluster.costs.node;
}

/// Calls that are timed.
int rounds_of(std::size_t count) {
  return static_cast<int>(std::clamp<std::size_t>((std::size_t{1} << 20) / std::max<std::size_t>(count, 1), 1, 20));
}

/// Its parts one after another.
std::vector<TensorPart> packed(const ExchangeCall& call) {
  std::vector<TensorPart> parts = call.parts;
  std::size_t offset = 0;
  for (TensorPart& part : parts) {
    part.offset = offset;
    offset += part.count;
  }
  return parts;
}

MeasuredCall measure_call(const Communicator& comm, const ExchangeCall& call, const ClusterShape& cluster,
                          std::span<const float> values) {
  const std::size_t bytes = call.count() * sizeof(float);
  if (call.in_one_piece)
    return {.collectives = {{.collective = Collective::allreduce, .bytes = bytes}}, .payload_bytes = bytes};
  std::vector<float> result(call.count());
  const Rehearsal found =
      rehearse(comm, packed(call), call.settings,
               {.ranks = cluster.ranks, .rounds = rounds_of(call.count()), .costs = used_costs(cluster)},
               values.first(call.count()), result);
  return {.collectives = found.collectives, .payload_bytes = found.payload_bytes, .seconds = found.seconds()};
}

/// What `call` does if it does as much for each value as `like`, which has been measured.
MeasuredCall scaled(const MeasuredCall& measured, const ExchangeCall& like, const ExchangeCall& call) {
  const double factor = static_cast<double>(call.count()) / static_cast<double>(std::max<std::size_t>(like.count(), 1));
  const auto times = [&](std::size_t bytes) {
    return static_cast<std::size_t>(std::llround(static_cast<double>(bytes) * factor));
  };
  MeasuredCall result = measured;
  for (RehearsedCollective& collective : result.collectives) collective.bytes = times(collective.bytes);
  result.payload_bytes = times(measured.payload_bytes);
  result.seconds = measured.seconds * factor;
  return result;
}

}  // namespace

std::size_t ExchangeCall::count() const noexcept {
  std::size_t all = 0;
  for (const TensorPart& part : parts) all += part.count;
  return all;
}

std::vector<MeasuredCall> measure_calls(const Communicator& comm, std::span<const ExchangeCall> calls,
                                        const ClusterShape& cluster) {
  std::vector<std::size_t> order(calls.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::stable_sort(order.begin(), order.end(),
                   [&](std::size_t a, std::size_t b) { return calls[a].count() > calls[b].count(); });
  const std::vector<float> values = normal_values(calls.empty() ? 0 : calls[order.front()].count());
  std::vector<MeasuredCall> measured(calls.size());
  std::vector<std::size_t> done;
  std::size_t measured_values = 0;
  for (const std::size_t i : order) {
    const auto like = std::find_if(done.begin(), done.end(), [&](std::size_t d) {
      return calls[d].settings == calls[i].settings && calls[d].in_one_piece == calls[i].in_one_piece;
    });
    if (like != done.end() && measured_values + calls[i].count() > kMeasuredValues) {
      measured[i] = scaled(measured[*like], calls[*like], calls[i]);
      continue;
    }
    measured[i] = measure_call(comm, calls[i], cluster, values);
    measured_values += calls[i].count();
    done.push_back(i);
  }
  return measured;
}

double normal_error(const Communicator& comm, const CodecSettings& settings, int ranks) {
  constexpr std::size_t kRows = 256;
  const std::vector<float> values = normal_values(kRows * kRows);
  std::vector<float> scratch(values.size());
  const std::vector<TensorPart> parts = {{.count = values.size(), .rows = kRows}};
  return encoding_error(comm, parts, settings, ranks, values, scratch)
      .relative()
      .value_or(std::numeric_limits<double>::infinity());
}

ClusterPrices::ClusterPrices(const ClusterShape& cluster) {
  if (cluster.ranks == 1) return;
  if (cluster.nodes == 1) {
    selector_.emplace(cluster.ranks, cluster.costs.node);
    return;
  }
  std::vector<int> node_of(static_cast<std::size_t>(cluster.ranks));
  const int per_node = (cluster.ranks + cluster.nodes - 1) / cluster.nodes;
  for (int rank = 0; rank < cluster.ranks; ++rank) node_of[static_cast<std::size_t>(rank)] = rank / per_node;
  selector_.emplace(
      cluster.ranks, cluster.costs.network,
      CostContext{.ranks_per_node = per_node, .node_byte = per_node > 1 ? cluster.costs.node.byte : 0, .network = {}});
  if (detail::has_two_levels(node_of))
    levels_ = std::make_shared<detail::LevelPrices>(
        detail::make_hierarchy(node_of, 0, cluster.costs.node, cluster.costs.network).prices);
}

double ClusterPrices::seconds(const RehearsedCollective& collective) {
  if (!selector_ || collective.bytes == 0) return 0.0;
  const std::span<const Algorithm* const> table =
      collective.collective == Collective::allreduce ? allreduce_algorithms() : collective_algorithms();
  return selector_
      ->choose(table, collective.collective, collective.bytes, {.uneven = collective.uneven, .levels = levels_.get()})
      .predicted.total();
}

double ClusterPrices::seconds(std::span<const MeasuredCall> calls) {
  double all = 0.0;
  for (const MeasuredCall& call : calls)
    for (const RehearsedCollective& collective : call.collectives) all += seconds(collective);
  return all;
}

ClusterShape with_measured_bandwidth(const Communicator& comm, const ClusterShape& cluster) {
  constexpr std::size_t kBytes = std::size_t{1} << 20;
  constexpr int kRounds = 3;
  std::vector<float> data(kBytes / sizeof(float));
  std::vector<double> seconds;
  for (int round = 0; round <= kRounds; ++round) {
    std::vector<float> meeting(1);
    allreduce(comm, std::span(meeting), ReduceOp::sum);
    const auto begin = PredictionClock::now();
    allreduce(comm, std::span(data), ReduceOp::sum);
    if (round > 0) seconds.push_back(std::chrono::duration<double>(PredictionClock::now() - begin).count());
  }
  allreduce(comm, std::span(seconds), ReduceOp::max);
  std::sort(seconds.begin(), seconds.end());
  const double measured = seconds[seconds.size() / 2];
  ClusterShape fitted = cluster;
  double fast = 1e-13;
  double slow = 1e-4;
  while (slow > 1.01 * fast) {
    double& byte = used_costs(fitted).byte;
    byte = std::sqrt(fast * slow);
    (ClusterPrices(fitted).seconds({.collective = Collective::allreduce, .bytes = kBytes}) < measured ? fast : slow) =
        byte;
  }
  return fitted;
}

std::size_t PredictedExchange::payload_bytes() const noexcept {
  std::size_t all = 0;
  for (const MeasuredCall& call : calls) all += call.payload_bytes;
  return all;
}

PredictedExchange measure_exchange(const Communicator& comm, const CodecSettings& settings,
                                   std::span<const ExchangeCall> calls, const ClusterShape& cluster) {
  PredictedExchange exchange{.settings = settings};
  try {
    exchange.error = normal_error(comm, settings, cluster.ranks);
    exchange.calls = measure_calls(comm, calls, cluster);
    for (const MeasuredCall& call : exchange.calls) exchange.codec_seconds += call.seconds;
  } catch (const InvalidArgument& problem) {
    exchange.problem = problem.what();
  }
  return exchange;
}

void set_prices(const Communicator& comm, const ClusterShape& cluster, std::span<PredictedExchange> exchanges) {
  std::vector<double> slowest;
  for (const PredictedExchange& exchange : exchanges) slowest.push_back(exchange.codec_seconds);
  allreduce(comm, std::span<double>(slowest), ReduceOp::max);
  ClusterPrices prices(cluster);
  for (std::size_t i = 0; i < exchanges.size(); ++i) {
    exchanges[i].codec_seconds = slowest[i];
    exchanges[i].network_seconds = prices.seconds(exchanges[i].calls);
  }
}

std::vector<CodecSettings> default_settings() {
  std::vector<CodecSettings> all;
  for (const Codec* codec : codecs()) all.push_back(codec_settings(codec->name));
  return all;
}

std::size_t best_exchange(std::span<const PredictedExchange> exchanges, double most_error) {
  constexpr double kWorthwhile = 0.9;
  std::size_t best = 0;
  for (std::size_t i = 1; i < exchanges.size(); ++i) {
    const PredictedExchange& its = exchanges[i];
    if (!its.problem.empty() || !(its.error <= most_error)) continue;
    const double least = best == 0 ? kWorthwhile * exchanges[0].seconds() : exchanges[best].seconds();
    if (its.seconds() < least) best = i;
  }
  return best;
}

double crossover_bandwidth(const ClusterShape& cluster, const PredictedExchange& exchange,
                           const PredictedExchange& plain) {
  const auto pays = [&](double bandwidth) {
    ClusterShape with = cluster;
    used_costs(with).byte = 1.0 / bandwidth;
    ClusterPrices prices(with);
    return prices.seconds(exchange.calls) + exchange.codec_seconds < prices.seconds(plain.calls) + plain.codec_seconds;
  };
  constexpr double kLowest = 1e5;
  constexpr double kHighest = 1e12;
  if (cluster.ranks == 1 || !pays(kLowest)) return 0.0;
  if (pays(kHighest)) return std::numeric_limits<double>::infinity();
  double low = kLowest;
  double high = kHighest;
  while (high > 1.01 * low) {
    const double middle = std::sqrt(low * high);
    (pays(middle) ? low : high) = middle;
  }
  return low;
}

}  // namespace tutti
