// The table of algorithms; see table.hpp.
#include <tutti/collectives/algorithms/binomial.hpp>
#include <tutti/collectives/algorithms/dissemination.hpp>
#include <tutti/collectives/algorithms/hypercube.hpp>
#include <tutti/collectives/algorithms/pairwise.hpp>
#include <tutti/collectives/algorithms/ring.hpp>
#include <tutti/collectives/table.hpp>

namespace tutti {
namespace {

constexpr const Algorithm* kTable[] = {
    &kRingBroadcast,        &kBinomialBroadcast,
    &kRingAllGather,        &kRecursiveDoublingAllGather,
    &kRingReduceScatter,    &kRecursiveHalvingReduceScatter,
    &kBinomialReduce,       &kPairwiseAllToAll,
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

std::string_view name(Collective collective) noexcept {
  constexpr std::string_view kNames[] = {"allreduce", "broadcast",  "all_gather", "reduce_scatter",
                                         "reduce",    "all_to_all", "barrier"};
  return kNames[static_cast<std::size_t>(collective)];
}

}  // namespace tutti
