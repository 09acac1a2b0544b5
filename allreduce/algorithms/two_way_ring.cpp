// Ring allreduce in both directions at once: reduce-scatter, then all-gather
// (collectives/schedule/algorithms/two_way_ring.hpp).
//
// 2 floor(P/2) rounds of two messages; the bytes of the ring.
#include <tutti/allreduce/algorithms/algorithms.hpp>
#include <tutti/collectives/schedule/algorithms/two_way_ring.hpp>

namespace tutti {
namespace {

int two_way_ring_allreduce_rounds(const Shape& shape) noexcept { return 2 * two_way_ring_rounds(shape); }

void two_way_ring_allreduce_round(const Position& at, int index, Round& round) {
  const int half = two_way_ring_rounds(at.shape());
  if (index < half) {
    two_way_ring_reduce_scatter_round(at, index, Slot::output, Slot::output, round);
  } else {
    two_way_ring_all_gather_round(at, index - half, round);
  }
}

}  // namespace

const Algorithm kTwoWayRingAllreduce = {.name = "two_way_ring",
                                        .collective = Collective::allreduce,
                                        .single_block = true,
                                        .blocks = block_per_rank,
                                        .rounds = two_way_ring_allreduce_rounds,
                                        .round = two_way_ring_allreduce_round,
                                        .needs_scratch = no_scratch};

}  // namespace tutti
