// Circulant allreduce: a circulant reduce-scatter, then a circulant all-gather
// (collectives/schedule/algorithms/circulant.hpp).
//
// 2 ceil(log_r P) rounds, 2(P-1)/P n beta + (P-1)/P n gamma for every P, without folding. With radix P it is the direct
// algorithm: every rank sends every other one its block, and then its result.
#include <tutti/allreduce/algorithms/algorithms.hpp>
#include <tutti/collectives/schedule/algorithms/circulant.hpp>

namespace tutti {
namespace {

int circulant_allreduce_rounds(const Shape& shape) noexcept { return 2 * circulant_rounds(shape); }

void circulant_allreduce_round(const Position& at, int index, Round& round) {
  const int half = circulant_rounds(at.shape());
  if (index < half) {
    circulant_reduce_scatter_round(at, index, Slot::output, Slot::output, round);
  } else {
    circulant_all_gather_round(at, index - half, 0, false, round);
  }
}

}  // namespace

const Algorithm kCirculantAllreduce = {.name = "circulant",
                                       .collective = Collective::allreduce,
                                       .radix = Radix::per_rank,
                                       .single_block = false,
                                       .blocks = block_per_rank,
                                       .rounds = circulant_allreduce_rounds,
                                       .round = circulant_allreduce_round,
                                       .needs_scratch = no_scratch};

}  // namespace tutti
