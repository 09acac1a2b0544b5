// Rings: every rank talks to its two neighbours only.
//
// Before: rank r holds its vector as P blocks (reduce-scatter), or block r complete (all-gather). After P-1 rounds rank
// r holds block r reduced over all ranks, or all blocks. Each round moves one block to the right, so a rank sends
// (P-1)/P of the data: the least there is. Latency grows with P: (P-1) alpha.
//
// The allreduce is the two in turn (Patarasuk and Yuan, JPDC 2009): 2(P-1) alpha + 2(P-1)/P n beta + (P-1)/P n gamma,
// the least bytes there are.
//
// Order of reduction of block b: ranks b+1, b+2, ..., b, each to the right of what came before.
#pragma once

#include <tutti/collectives/schedule/schedule.hpp>

namespace tutti {

struct RingStep {
  int send_to;
  int recv_from;
  int send_block;
  int recv_block;
};

/// Round `step` of size-1 of a ring reduce-scatter: `send_block` goes right while `recv_block` arrives from the left
/// and is reduced. After the last round `rank` holds block `rank` complete.
constexpr RingStep ring_reduce_scatter_step(int rank, int size, int step) noexcept {
  return {.send_to = wrap(rank + 1, size),
          .recv_from = wrap(rank - 1, size),
          .send_block = wrap(rank - step - 1, size),
          .recv_block = wrap(rank - step - 2, size)};
}

/// Round `step` of size-1 of a ring all-gather: the block received in the round before (at first the own one) goes
/// right.
constexpr RingStep ring_all_gather_step(int rank, int size, int step) noexcept {
  return {.send_to = wrap(rank + 1, size),
          .recv_from = wrap(rank - 1, size),
          .send_block = wrap(rank - step, size),
          .recv_block = wrap(rank - step - 1, size)};
}

extern const Algorithm kRingReduceScatter;
extern const Algorithm kRingAllGather;
extern const Algorithm kRingAllreduce;

/// The ring as a chain: segments of the data follow one another from the root around to its left neighbour. (P-1)
/// rounds, n bytes per rank, and with S segments about (P-2+S)/S n beta.
extern const Algorithm kRingBroadcast;

}  // namespace tutti
