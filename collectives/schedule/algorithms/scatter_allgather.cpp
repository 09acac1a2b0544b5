// Scatter-allgather broadcast; see scatter_allgather.hpp.
#include <tutti/collectives/schedule/algorithms/circulant.hpp>
#include <tutti/collectives/schedule/algorithms/knomial.hpp>
#include <tutti/collectives/schedule/algorithms/scatter_allgather.hpp>

namespace tutti {
namespace {

int scatter_allgather_rounds(const Shape& shape) noexcept { return knomial_rounds(shape) + circulant_rounds(shape); }

void scatter_allgather_broadcast_round(const Position& at, int index, Round& round) {
  const int half = knomial_rounds(at.shape());
  if (index < half) {
    knomial_scatter_round(at, index, round);
  } else {
    circulant_all_gather_round(at, index - half, at.root, true, round);
  }
}

}  // namespace

const Algorithm kScatterAllGatherBroadcast = {.name = "scatter_allgather",
                                              .collective = Collective::broadcast,
                                              .radix = Radix::per_rank,
                                              .single_block = false,
                                              .blocks = block_per_rank,
                                              .rounds = scatter_allgather_rounds,
                                              .round = scatter_allgather_broadcast_round,
                                              .needs_scratch = no_scratch};

}  // namespace tutti
