// Ring reduce-scatter, all-gather and broadcast; see ring.hpp.
#include <tutti/collectives/schedule/algorithms/ring.hpp>
#include <tutti/collectives/schedule/reduce_scatter_then_all_gather.hpp>

namespace tutti {
namespace {

int ring_rounds(const Shape& shape) noexcept { return shape.size - 1; }

// Partial sums of foreign blocks travel through scratch; the last round completes the own block in the output.
void ring_reduce_scatter_round(const Position& at, int index, Round& round) {
  const RingStep step = ring_reduce_scatter_step(at.rank, at.size, index);
  const bool last = index == at.size - 2;
  round.sends.push_back({step.send_to, index == 0 ? Slot::input : Slot::scratch, {step.send_block, 1}});
  round.receives.push_back({step.recv_from,
                            last ? Slot::output : Slot::scratch,
                            {step.recv_block, 1},
                            Reduction::incoming_left,
                            Slot::input});
}

void ring_all_gather_round(const Position& at, int index, Round& round) {
  const RingStep step = ring_all_gather_step(at.rank, at.size, index);
  if (index == 0) round.copies.push_back({Slot::input, Slot::output, {at.rank, 1}});
  round.sends.push_back({step.send_to, index == 0 ? Slot::input : Slot::output, {step.send_block, 1}});
  round.receives.push_back({step.recv_from, Slot::output, {step.recv_block, 1}});
}

void ring_broadcast_round(const Position& at, int index, Round& round) {
  const int distance = wrap(at.rank - at.root, at.size);
  if (distance == index) round.sends.push_back({wrap(at.rank + 1, at.size), Slot::output, {0, 1}});
  if (distance == index + 1) round.receives.push_back({wrap(at.rank - 1, at.size), Slot::output, {0, 1}});
}

}  // namespace

constexpr Algorithm kRingReduceScatter = {.name = "ring",
                                          .collective = Collective::reduce_scatter,
                                          .single_block = true,
                                          .blocks = block_per_rank,
                                          .rounds = ring_rounds,
                                          .round = ring_reduce_scatter_round,
                                          .needs_scratch = scratch_everywhere};

constexpr Algorithm kRingAllGather = {.name = "ring",
                                      .collective = Collective::all_gather,
                                      .single_block = true,
                                      .blocks = block_per_rank,
                                      .rounds = ring_rounds,
                                      .round = ring_all_gather_round,
                                      .needs_scratch = no_scratch};

constexpr Algorithm kRingAllreduce = reduce_scatter_then_all_gather<kRingReduceScatter, kRingAllGather>("ring");

const Algorithm kRingBroadcast = {.name = "ring",
                                  .collective = Collective::broadcast,
                                  .single_block = true,
                                  .blocks = one_block,
                                  .rounds = ring_rounds,
                                  .round = ring_broadcast_round,
                                  .needs_scratch = no_scratch};

}  // namespace tutti
