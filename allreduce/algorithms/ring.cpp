// Ring allreduce: a ring reduce-scatter, then a ring all-gather (Patarasuk and Yuan, JPDC 2009).
//
// Before: every rank holds its vector as P blocks. After P-1 rounds rank r holds block r reduced over all ranks, after
// P-1 more all blocks. Cost: 2(P-1) alpha + 2(P-1)/P n beta + (P-1)/P n gamma, the least bytes there are.
#include <tutti/allreduce/algorithms/algorithms.hpp>
#include <tutti/collectives/schedule/algorithms/ring.hpp>

namespace tutti {
namespace {

int ring_allreduce_rounds(const Shape& shape) noexcept { return 2 * (shape.size - 1); }

void ring_allreduce_round(const Position& at, int index, Round& round) {
  const bool reducing = index < at.size - 1;
  const RingStep step = reducing ? ring_reduce_scatter_step(at.rank, at.size, index)
                                 : ring_all_gather_step(at.rank, at.size, index - (at.size - 1));
  round.sends.push_back({step.send_to, index == 0 ? Slot::input : Slot::output, {step.send_block, 1}});
  round.receives.push_back({step.recv_from,
                            Slot::output,
                            {step.recv_block, 1},
                            reducing ? Reduction::incoming_left : Reduction::copy,
                            Slot::input});
}

}  // namespace

const Algorithm kRingAllreduce = {.name = "ring",
                                  .collective = Collective::allreduce,
                                  .single_block = true,
                                  .blocks = block_per_rank,
                                  .rounds = ring_allreduce_rounds,
                                  .round = ring_allreduce_round,
                                  .needs_scratch = no_scratch};

}  // namespace tutti
