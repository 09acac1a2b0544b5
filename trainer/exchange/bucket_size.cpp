#include <tutti/trainer/exchange/bucket_size.hpp>

#include <algorithm>

#include <tutti/allreduce/allreduce_table.hpp>
#include <tutti/collectives/inspect/selection.hpp>

namespace tutti::trainer {

namespace {

constexpr std::size_t kSmallestBucket = std::size_t{64} << 10;
constexpr std::size_t kLargestBucket = std::size_t{64} << 20;
constexpr std::size_t kMostBuckets = 32;  // each that is under way is looked at with every poll

Selector selector_for(const ClusterShape& cluster) {
  if (cluster.nodes > 1) return {cluster.nodes, cluster.costs.network};
  return {cluster.ranks, cluster.costs.node};
}

double seconds(Selector& selector, std::size_t bytes) {
  return selector.choose(allreduce_algorithms(), Collective::allreduce, bytes, {}).predicted.total();
}

}  // namespace

ClusterShape shape_of(const Communicator& comm) {
  return {.ranks = comm.size(), .nodes = comm.topology().nodes, .costs = comm.selection_facts().costs};
}

double predicted_allreduce_seconds(const ClusterShape& cluster, std::size_t bytes) {
  if (cluster.ranks == 1) return 0.0;
  Selector selector = selector_for(cluster);
  return seconds(selector, bytes);
}

std::size_t bucket_bytes_for(const ClusterShape& cluster, std::size_t model_bytes) {
  const std::size_t most = std::clamp(model_bytes / 4, kSmallestBucket, kLargestBucket);
  if (cluster.ranks == 1) return most;
  Selector selector = selector_for(cluster);
  const auto per_byte = [&](std::size_t bytes) { return seconds(selector, bytes) / static_cast<double>(bytes); };
  const double least = per_byte(kLargestBucket);
  std::size_t bytes = kSmallestBucket;
  while (bytes < most && (per_byte(bytes) > 1.1 * least || model_bytes / bytes > kMostBuckets)) bytes *= 2;
  return std::min(bytes, most);
}

}  // namespace tutti::trainer
