// Rings in both directions; see two_way_ring.hpp.
#include <tutti/collectives/schedule/algorithms/two_way_ring.hpp>
#include <tutti/collectives/schedule/reduce_scatter_then_all_gather.hpp>

namespace tutti {
namespace {

int two_way_ring_rounds(const Shape& shape) noexcept { return TwoWayHops(shape.size).right; }

// Both chains of a block end at its rank in the last round, so the shorter one begins later.
void two_way_ring_reduce_scatter_round(const Position& at, int index, Round& round) {
  const TwoWayHops hops(at.size);
  const int right = wrap(at.rank + 1, at.size);
  const int left = wrap(at.rank - 1, at.size);
  const Slot to = index == hops.right - 1 ? Slot::output : Slot::scratch;
  const int to_go = hops.right - index;
  round.sends.push_back({right, index == 0 ? Slot::input : Slot::scratch, {wrap(at.rank + to_go, at.size), 1}});
  round.receives.push_back({left, to, {wrap(at.rank + to_go - 1, at.size), 1}, Reduction::incoming_left, Slot::input});
  if (to_go > hops.left) return;
  round.sends.push_back({left, to_go == hops.left ? Slot::input : Slot::scratch, {wrap(at.rank - to_go, at.size), 1}});
  round.receives.push_back(
      {right, to, {wrap(at.rank - to_go + 1, at.size), 1}, Reduction::incoming_right, Slot::input});
}

void two_way_ring_all_gather_round(const Position& at, int index, Round& round) {
  if (index == 0) round.copies.push_back({Slot::input, Slot::output, {at.rank, 1}});
  const int right = wrap(at.rank + 1, at.size);
  const int left = wrap(at.rank - 1, at.size);
  round.sends.push_back({right, Slot::output, {wrap(at.rank - index, at.size), 1}});
  round.receives.push_back({left, Slot::output, {wrap(at.rank - index - 1, at.size), 1}});
  if (index >= TwoWayHops(at.size).left) return;
  round.sends.push_back({left, Slot::output, {wrap(at.rank + index, at.size), 1}});
  round.receives.push_back({right, Slot::output, {wrap(at.rank + index + 1, at.size), 1}});
}

}  // namespace

constexpr Algorithm kTwoWayRingReduceScatter = {.name = "two_way_ring",
                                                .collective = Collective::reduce_scatter,
                                                .single_block = true,
                                                .blocks = block_per_rank,
                                                .rounds = two_way_ring_rounds,
                                                .round = two_way_ring_reduce_scatter_round,
                                                .needs_scratch = scratch_everywhere};

constexpr Algorithm kTwoWayRingAllGather = {.name = "two_way_ring",
                                            .collective = Collective::all_gather,
                                            .single_block = true,
                                            .blocks = block_per_rank,
                                            .rounds = two_way_ring_rounds,
                                            .round = two_way_ring_all_gather_round,
                                            .needs_scratch = no_scratch};

constexpr Algorithm kTwoWayRingAllreduce =
    reduce_scatter_then_all_gather<kTwoWayRingReduceScatter, kTwoWayRingAllGather>("two_way_ring");

}  // namespace tutti
