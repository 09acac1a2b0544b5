#include <tutti/trainer/run/auto_compression.hpp>

#include <fmt/core.h>

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <utility>

#include <tutti/allreduce/allreduce.hpp>
#include <tutti/collectives/collectives.hpp>
#include <tutti/kernels/error.hpp>
#include <tutti/kernels/whole_file.hpp>
#include <tutti/trainer/exchange/bucket_size.hpp>
#include <tutti/trainer/exchange/compressed_operations.hpp>
#include <tutti/trainer/exchange/compression_policy.hpp>
#include <tutti/trainer/memory/buckets.hpp>
#include <tutti/trainer/network/network.hpp>
#include <tutti/trainer/run/agreed_error.hpp>

namespace tutti::trainer {

namespace {

std::string milliseconds(double seconds) { return fmt::format("{:.4g} ms", seconds * 1e3); }

/// What the first session of the run in `folder` has chosen; empty if there is none yet.
std::string chosen_before(const Communicator& comm, const std::string& folder) {
  std::string chosen;
  agree_at_root(comm, [&] {
    const std::string file = (std::filesystem::path(folder) / "config.toml").string();
    if (!std::filesystem::exists(file)) return;
    const Config before = parse_config(read_whole_file(file), file);
    if (!before.exchange.chooses()) chosen = before.exchange.compression;
  });
  return broadcast_text(comm, chosen);
}

/// Of every codec, its default settings, if its error is small enough.
std::vector<CodecSettings> candidates_for(const Communicator& comm, double most_error) {
  return agree(comm, [&] {
    std::vector<CodecSettings> kept;
    for (const CodecSettings& settings : default_settings()) {
      if (codec_named(settings.codec).keeps_momentum) continue;  // the optimizer has its own
      try {
        if (normal_error(comm, settings, comm.size()) <= most_error) kept.push_back(settings);
      } catch (const InvalidArgument&) {  // not on so many ranks
        continue;
      }
    }
    return kept;
  });
}

/// The fastest codec that keeps the error, whether it pays or not; none is 0.
std::size_t fastest_codec(std::span<const PredictedExchange> all, double most_error) {
  std::size_t fastest = 0;
  for (std::size_t i = 1; i < all.size(); ++i)
    if (all[i].problem.empty() && all[i].error <= most_error &&
        (fastest == 0 || all[i].seconds() < all[fastest].seconds()))
      fastest = i;
  return fastest;
}

}  // namespace

std::vector<ExchangeCall> exchange_calls(std::span<const ParameterInfo> parameters, const ExchangeOptions& options,
                                         const std::string& compression, const ClusterShape& cluster) {
  ExchangeOptions with = options;
  with.compression = compression;
  const std::vector<CodecSettings> codecs = compression_of(parameters, with);
  std::size_t elements = 0;
  for (const ParameterInfo& parameter : parameters) elements += parameter.count();
  const std::size_t bucket_bytes = options.bucket_bytes > 0 ? static_cast<std::size_t>(options.bucket_bytes)
                                                            : bucket_bytes_for(cluster, elements * sizeof(float));
  const BucketPlan plan = plan_buckets(parameters, DType::f32, bucket_bytes, {}, whole_parameters(parameters, with));
  std::vector<ExchangeCall> all;
  for (std::size_t b = 0; b < plan.buckets.size(); ++b)
    for (ExchangeCall& call : calls_of(plan, b, parameters, codecs)) all.push_back(std::move(call));
  return all;
}

std::vector<PredictedExchange> predict_exchanges(const Communicator& comm, std::span<const ParameterInfo> parameters,
                                                 const ExchangeOptions& options,
                                                 std::span<const CodecSettings> candidates,
                                                 const ClusterShape& cluster) {
  std::vector<PredictedExchange> all = agree(comm, [&] {
    std::vector<PredictedExchange> measured;
    const auto measure = [&](const CodecSettings& settings) {
      const auto calls = exchange_calls(parameters, options, to_text(settings), cluster);
      measured.push_back(measure_exchange(comm, settings, calls, cluster));
    };
    measure(codec_settings("none"));
    for (const CodecSettings& settings : candidates)
      if (settings.codec != "none") measure(settings);
    return measured;
  });
  set_prices(comm, cluster, all);
  return all;
}

CompressionChoice choose_compression(const Communicator& comm, std::span<const ParameterInfo> parameters,
                                     const ExchangeOptions& options) {
  ClusterShape cluster = shape_of(comm);
  const SelectionFacts& facts = comm.selection_facts();
  if (cluster.ranks == 1) return {.compression = "none", .reason = "one rank exchanges nothing"};
  if (cluster.nodes == 1 && facts.shared_memory)
    return {.compression = "none", .reason = "all ranks are on one node and use each other's memory"};
  if (facts.source == CostSource::built_in) cluster = with_measured_bandwidth(comm, cluster);
  const std::vector<PredictedExchange> all =
      predict_exchanges(comm, parameters, options, candidates_for(comm, options.auto_error), cluster);
  std::vector<std::uint64_t> chosen = {best_exchange(all, options.auto_error)};
  broadcast(comm, std::span<std::uint64_t>(chosen), 0);
  const PredictedExchange& plain = all.front();
  const TransportCosts& network = cluster.nodes > 1 ? cluster.costs.network : cluster.costs.node;
  const std::string where =
      fmt::format("{} ranks on {} nodes, {:.3g} Gbit/s {}", cluster.ranks, cluster.nodes, 8e-9 / network.byte,
                  facts.source == CostSource::built_in ? "measured" : name(facts.source));
  if (chosen.front() != 0) {
    const PredictedExchange& best = all[chosen.front()];
    return {.compression = to_text(best.settings),
            .reason = fmt::format("the exchange of a step is predicted to take {}, and {} with none ({})",
                                  milliseconds(best.seconds()), milliseconds(plain.seconds()), where)};
  }
  const std::size_t next = fastest_codec(all, options.auto_error);
  if (next == 0)
    return {.compression = "none",
            .reason = fmt::format("no codec has a relative squared error of at most {:g}", options.auto_error)};
  return {.compression = "none",
          .reason = fmt::format(
              "the exchange of a step is predicted to take {}, and {} with {}, the fastest codec ({})",
              milliseconds(plain.seconds()), milliseconds(all[next].seconds()), to_text(all[next].settings), where)};
}

std::string choose_compression_of(const Communicator& comm, Config& config, const TaskShape& task, bool resumes) {
  if (!config.exchange.chooses()) return {};
  if (const std::string before = resumes ? chosen_before(comm, config.run.dir) : ""; !before.empty()) {
    config.exchange.compression = before;
    return "chosen when the run began";
  }
  const auto network = agree(comm, [&] {
    return std::make_unique<Network>(config.model, InputScaling{},
                                     task.of_network(static_cast<std::uint64_t>(config.train.seed)));
  });
  const CompressionChoice choice = choose_compression(comm, network->parameters(), config.exchange);
  config.exchange.compression = choice.compression;
  return choice.reason;
}

}  // namespace tutti::trainer
