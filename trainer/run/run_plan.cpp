#include <tutti/trainer/run/run_plan.hpp>

#include <fmt/core.h>

#include <algorithm>
#include <cstdint>
#include <string_view>

#include <tutti/kernels/byte_size.hpp>
#include <tutti/trainer/network/network.hpp>
#include <tutti/trainer/optimizers/optimizer.hpp>
#include <tutti/trainer/run/update.hpp>

namespace tutti::trainer {

namespace {

/// "1.25 GB".
std::string bytes_text(double bytes) {
  constexpr std::string_view kUnits[] = {"B", "kB", "MB", "GB", "TB", "PB"};
  std::size_t unit = 0;
  for (; bytes >= 1000.0 && unit + 1 < std::size(kUnits); ++unit) bytes /= 1000.0;
  return fmt::format("{:.{}f} {}", bytes, unit == 0 ? 0 : 2, kUnits[unit]);
}

std::string seconds_text(double seconds) {
  if (seconds < 1e-3) return fmt::format("{:.1f} us", seconds * 1e6);
  if (seconds < 1.0) return fmt::format("{:.2f} ms", seconds * 1e3);
  return fmt::format("{:.2f} s", seconds);
}

std::string memory_row(std::string_view what, std::size_t whole, std::size_t sharded) {
  return fmt::format("  {:<22}{:>14}{:>14}\n", what, bytes_text(static_cast<double>(whole)),
                     bytes_text(static_cast<double>(sharded)));
}

std::string memory_text(const MemoryPlan& whole, const MemoryPlan& sharded, std::string_view slots) {
  std::string text = fmt::format(
      "memory of a rank, by exchange.kind (without activations and batches)\n"
      "  {:<22}{:>14}{:>14}\n",
      "", "allreduce", "sharded");
  text += memory_row("parameters", whole.parameters, sharded.parameters);
  text += memory_row("gradients", whole.gradients, sharded.gradients);
  text += memory_row(slots, whole.slots, sharded.slots);
  return text + memory_row("together", whole.total(), sharded.total());
}

}  // namespace

MemoryPlan plan_memory(std::size_t elements, std::size_t element_bytes, std::size_t slots, int owners) noexcept {
  const std::size_t bytes = elements * element_bytes;
  const auto parts = static_cast<std::size_t>(owners);
  return {.parameters = bytes, .gradients = bytes, .slots = slots * ((elements + parts - 1) / parts) * element_bytes};
}

double bytes_sent(std::size_t model_bytes, int ranks) noexcept {
  return 2.0 * (ranks - 1) / ranks * static_cast<double>(model_bytes);
}

double predicted_step_seconds(double arithmetic, double exchange, double last_bucket, bool overlaps) noexcept {
  if (!overlaps) return arithmetic + exchange;
  const double hidden = std::min(std::max(exchange - last_bucket, 0.0), arithmetic * 2.0 / 3.0);
  return arithmetic + exchange - hidden;
}

std::string plan_text(const Config& config, const TaskShape& task, const ClusterShape& cluster, double flops) {
  const Network network(config.model, {}, task.of_network(static_cast<std::uint64_t>(config.train.seed)));
  const DType dtype = dtype_from_name(config.model.dtype);
  std::size_t elements = 0;
  for (const ParameterInfo& parameter : network.parameters()) elements += parameter.count();
  const std::size_t model_bytes = elements * size_of(dtype);
  const auto optimizer = make_optimizer(config.optimizer);
  const auto slots = update_slots(*optimizer, config.optimizer);
  std::string slot_names = "slots:";
  for (const std::string_view slot : slots) slot_names += fmt::format(" {}", slot);

  const bool measured = flops == 0.0;
  if (measured) flops = measured_flops(dtype);
  const auto samples = static_cast<double>(config.train.batch_size) * static_cast<double>(config.train.accumulate);
  const double arithmetic = 3.0 * 2.0 * static_cast<double>(network.multiply_adds()) * samples / cluster.ranks / flops;
  const std::size_t bucket = config.exchange.bucket_bytes > 0 ? static_cast<std::size_t>(config.exchange.bucket_bytes)
                                                              : bucket_bytes_for(cluster, model_bytes);
  const std::size_t buckets = (model_bytes + bucket - 1) / bucket;
  const double of_bucket = predicted_allreduce_seconds(cluster, std::min(bucket, model_bytes));
  const double exchange = of_bucket * static_cast<double>(buckets);
  const bool overlaps = cluster.nodes > 1 && cluster.costs.network.overlaps;

  std::string text = fmt::format("model {}: {} parameters of {}, {} multiply-adds a sample (forward)\n",
                                 model_title(config.model), elements, config.model.dtype, network.multiply_adds());
  text += fmt::format("ranks: {} on {} node(s), {} between {}\n\n", cluster.ranks, cluster.nodes,
                      cluster.nodes > 1 ? cluster.costs.network.name : cluster.costs.node.name,
                      cluster.nodes > 1 ? "nodes" : "ranks");
  text += memory_text(plan_memory(elements, size_of(dtype), slots.size(), 1),
                      plan_memory(elements, size_of(dtype), slots.size(), cluster.ranks), slot_names);
  text += fmt::format("\na step of {:g} samples, predicted\n", samples);
  text += fmt::format("  sent by a rank        {:>14}  2 (P - 1) / P of the model, in {} bucket(s) of {}\n",
                      bytes_text(bytes_sent(model_bytes, cluster.ranks)), buckets, byte_size_text(bucket));
  text += fmt::format("  arithmetic            {:>14}  at {:.1f} GFLOP/s a rank, {}\n", seconds_text(arithmetic),
                      flops * 1e-9, measured ? "measured here by a matrix product" : "as told");
  text += fmt::format("  exchange              {:>14}  by the constants that algorithms are chosen by\n",
                      seconds_text(exchange));
  text += fmt::format("  step                  {:>14}  {}\n",
                      seconds_text(predicted_step_seconds(arithmetic, exchange, of_bucket, overlaps)),
                      cluster.ranks == 1 ? "one rank exchanges nothing"
                      : overlaps         ? "the exchange overlaps with backward, but for the last bucket"
                                         : "ranks of a node share processors and memory: nothing overlaps");
  return text;
}

}  // namespace tutti::trainer
