// Reduce-scatter and gather; see reduce_scatter_gather.hpp.
#include <tutti/collectives/schedule/algorithms/circulant.hpp>
#include <tutti/collectives/schedule/algorithms/knomial.hpp>
#include <tutti/collectives/schedule/algorithms/reduce_scatter_gather.hpp>

namespace tutti {
namespace {

int reduce_scatter_gather_rounds(const Shape& shape) noexcept {
  return circulant_rounds(shape) + knomial_rounds(shape);
}

void reduce_scatter_gather_reduce_round(const Position& at, int index, Round& round) {
  const Slot work = at.rank == at.root ? Slot::output : Slot::scratch;
  const int half = circulant_rounds(at.shape());
  if (index >= half) return knomial_gather_round(at, index - half, work, round);
  // Blocks are numbered from the root on, so that subtrees of the gather hold ranges.
  const Position behind_root = {.rank = wrap(at.rank - at.root, at.size), .size = at.size, .radix = at.radix};
  circulant_reduce_scatter_round(behind_root, index, work, work, round);
  for (Send& send : round.sends) send.peer = wrap(send.peer + at.root, at.size);
  for (Receive& receive : round.receives) receive.peer = wrap(receive.peer + at.root, at.size);
}

bool reduce_scatter_gather_needs_scratch(const Position& at) noexcept { return at.rank != at.root; }

}  // namespace

const Algorithm kReduceScatterGatherReduce = {.name = "reduce_scatter_gather",
                                              .collective = Collective::reduce,
                                              .radix = Radix::per_rank,
                                              .single_block = false,
                                              .blocks = block_per_rank,
                                              .rounds = reduce_scatter_gather_rounds,
                                              .round = reduce_scatter_gather_reduce_round,
                                              .needs_scratch = reduce_scatter_gather_needs_scratch};

}  // namespace tutti
