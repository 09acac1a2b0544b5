// Tree allreduce: a k-nomial reduce to rank 0, then a k-nomial broadcast.
//
// Cost: 2 ceil(log_k P) rounds of up to k-1 messages, and a rank passes n bytes to or from each neighbour in the tree,
// up and down. Segments overlap.
#include <tutti/allreduce/algorithms/algorithms.hpp>
#include <tutti/collectives/schedule/algorithms/knomial.hpp>

namespace tutti {
namespace {

int knomial_allreduce_rounds(const Shape& shape) noexcept { return 2 * knomial_rounds(shape); }

void knomial_allreduce_round(const Position& at, int index, Round& round) {
  const int half = knomial_rounds(at.shape());
  if (index < half) {
    knomial_reduce_round(at, index, Slot::output, {0, 1}, round);
  } else {
    knomial_broadcast_round(at, index - half, {0, 1}, round);
  }
}

}  // namespace

const Algorithm kKnomialAllreduce = {.name = "knomial",
                                     .collective = Collective::allreduce,
                                     .radix = Radix::per_rank,
                                     .single_block = true,
                                     .canonical_order = true,
                                     .blocks = one_block,
                                     .rounds = knomial_allreduce_rounds,
                                     .round = knomial_allreduce_round,
                                     .needs_scratch = no_scratch};

}  // namespace tutti
