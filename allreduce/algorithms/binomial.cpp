// Tree allreduce: a binomial reduce to rank 0, then a binomial broadcast.
//
// Cost: 2 ceil(log2 P) alpha, and a rank passes n bytes to or from each neighbour in the tree, up and down. Segments
// overlap.
#include <tutti/allreduce/algorithms/algorithms.hpp>
#include <tutti/collectives/algorithms/binomial.hpp>

namespace tutti {
namespace {

int rounds(int size) noexcept { return 2 * binomial_rounds(size); }

void round_of(const Position& at, int index, Round& round) {
  const int half = binomial_rounds(at.size);
  if (index < half) {
    binomial_reduce_round(at, index, Slot::output, {0, 1}, round);
  } else {
    binomial_broadcast_round(at, index - half, {0, 1}, round);
  }
}

}  // namespace

const Algorithm kBinomialAllreduce = {.name = "binomial",
                                      .collective = Collective::allreduce,
                                      .single_block = true,
                                      .blocks = one_block,
                                      .rounds = rounds,
                                      .round = round_of,
                                      .needs_scratch = no_scratch};

}  // namespace tutti
