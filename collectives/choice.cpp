// The choice of algorithm; see choice.hpp. Few rounds while latency counts, few bytes once it does not.
#include <tutti/collectives/algorithms/butterfly.hpp>
#include <tutti/collectives/algorithms/dissemination.hpp>
#include <tutti/collectives/algorithms/knomial.hpp>
#include <tutti/collectives/algorithms/pairwise.hpp>
#include <tutti/collectives/algorithms/ring.hpp>
#include <tutti/collectives/choice.hpp>
#include <tutti/collectives/table.hpp>

namespace tutti::detail {
namespace {

constexpr std::size_t kSmallBytes = std::size_t{256} << 10;  // of all blocks together

const Algorithm& choose(Collective collective, std::size_t bytes, int size) {
  const bool small = bytes <= kSmallBytes;
  switch (collective) {
    case Collective::broadcast:
      return small || size == 2 ? kKnomialBroadcast : kRingBroadcast;
    case Collective::all_gather:
      return small ? kRecursiveDoublingAllGather : kRingAllGather;
    case Collective::reduce_scatter:
      return small ? kRecursiveHalvingReduceScatter : kRingReduceScatter;
    case Collective::reduce:
      return kKnomialReduce;
    case Collective::all_to_all:
      return kPairwiseAllToAll;
    case Collective::gather:
      return kKnomialGather;
    case Collective::scatter:
      return kKnomialScatter;
    case Collective::barrier:
    case Collective::allreduce:
      break;
  }
  return kDisseminationBarrier;
}

}  // namespace

const AlgorithmSource& collective_source() noexcept {
  static const AlgorithmSource source{collective_algorithms(), choose};
  return source;
}

}  // namespace tutti::detail
