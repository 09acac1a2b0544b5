// The table of algorithms; see algorithm_table.hpp.
#include <tutti/collectives/schedule/algorithm_table.hpp>
#include <tutti/collectives/schedule/algorithms/bruck.hpp>
#include <tutti/collectives/schedule/algorithms/bucket.hpp>
#include <tutti/collectives/schedule/algorithms/butterfly.hpp>
#include <tutti/collectives/schedule/algorithms/circulant.hpp>
#include <tutti/collectives/schedule/algorithms/dissemination.hpp>
#include <tutti/collectives/schedule/algorithms/distance_halving.hpp>
#include <tutti/collectives/schedule/algorithms/double_tree.hpp>
#include <tutti/collectives/schedule/algorithms/knomial.hpp>
#include <tutti/collectives/schedule/algorithms/pairwise.hpp>
#include <tutti/collectives/schedule/algorithms/pat.hpp>
#include <tutti/collectives/schedule/algorithms/reduce_scatter_gather.hpp>
#include <tutti/collectives/schedule/algorithms/ring.hpp>
#include <tutti/collectives/schedule/algorithms/scatter_allgather.hpp>
#include <tutti/collectives/schedule/algorithms/two_way_ring.hpp>
#include <tutti/kernels/crc32c.hpp>

namespace tutti {
namespace {

std::uint32_t digest_of_numbers(std::span<const int> numbers, std::uint32_t digest) noexcept {
  return crc32c(std::as_bytes(numbers), digest);
}

constexpr const Algorithm* kTable[] = {
    // broadcast
    &kKnomialBroadcast,
    &kRingBroadcast,
    &kScatterAllGatherBroadcast,
    &kDoubleTreeBroadcast,
    // all_gather
    &kRingAllGather,
    &kTwoWayRingAllGather,
    &kRecursiveDoublingAllGather,
    &kCirculantAllGather,
    &kDistanceHalvingAllGather,
    &kPatAllGather,
    &kBucketAllGather,
    // reduce_scatter
    &kRingReduceScatter,
    &kTwoWayRingReduceScatter,
    &kRecursiveHalvingReduceScatter,
    &kCirculantReduceScatter,
    &kDistanceDoublingReduceScatter,
    &kPatReduceScatter,
    &kBucketReduceScatter,
    // reduce, gather, scatter
    &kKnomialReduce,
    &kForwardedKnomialReduce,
    &kDoubleTreeReduce,
    &kReduceScatterGatherReduce,
    &kKnomialGather,
    &kKnomialScatter,
    // all_to_all, barrier
    &kPairwiseAllToAll,
    &kBruckAllToAll,
    &kDisseminationBarrier,
};

}  // namespace

std::span<const Algorithm* const> collective_algorithms() noexcept { return kTable; }

const Algorithm* find_algorithm(std::span<const Algorithm* const> table, Collective collective,
                                std::string_view name) noexcept {
  for (const Algorithm* row : table) {
    if (row->collective == collective && row->name == name) return row;
  }
  return nullptr;
}

std::uint32_t digest_of(const Algorithm& algorithm) noexcept {
  const int properties[] = {static_cast<int>(algorithm.collective),
                            static_cast<int>(algorithm.radix),
                            algorithm.single_block,
                            algorithm.moves_blocks,
                            algorithm.canonical_order,
                            algorithm.order_from_root,
                            algorithm.reduces_at_once,
                            static_cast<int>(algorithm.pipelining),
                            algorithm.alternating_parts,
                            algorithm.staged != nullptr};
  return digest_of_numbers(properties, crc32c(std::as_bytes(std::span(algorithm.name))));
}

std::uint32_t digest_of(std::span<const Algorithm* const> table) noexcept {
  std::uint32_t digest = 0;
  for (const Algorithm* row : table) {
    const int own[] = {static_cast<int>(digest_of(*row))};
    digest = digest_of_numbers(own, digest);
    if (row->staged != nullptr) continue;
    for (const Shape& shape : {Shape{3, 2}, Shape{8, 2}, Shape{13, 4}}) {
      const bool is_eligible = row->is_eligible == nullptr || row->is_eligible(shape);
      const int counts[] = {row->blocks(shape), row->rounds(shape), is_eligible};
      digest = digest_of_numbers(counts, digest);
    }
  }
  return digest;
}

std::string_view name(Collective collective) noexcept {
  constexpr std::string_view kNames[] = {"allreduce",  "broadcast", "all_gather", "reduce_scatter", "reduce",
                                         "all_to_all", "barrier",   "gather",     "scatter"};
  return kNames[static_cast<std::size_t>(collective)];
}

}  // namespace tutti
