// Pairwise all-to-all; see pairwise.hpp.
#include <tutti/collectives/algorithms/pairwise.hpp>

namespace tutti {
namespace {

int pairwise_rounds(int size) noexcept { return size - 1; }

void pairwise_round(const Position& at, int index, Round& round) {
  const int to = wrap(at.rank + index + 1, at.size);
  const int from = wrap(at.rank - index - 1, at.size);
  if (index == 0) round.copies.push_back({Slot::input, Slot::output, {at.rank, 1}});
  round.sends.push_back({to, Slot::input, {to, 1}});
  round.receives.push_back({from, Slot::output, {from, 1}});
}

}  // namespace

const Algorithm kPairwiseAllToAll = {.name = "pairwise",
                                     .collective = Collective::all_to_all,
                                     .single_block = true,
                                     .blocks = block_per_rank,
                                     .rounds = pairwise_rounds,
                                     .round = pairwise_round,
                                     .needs_scratch = no_scratch};

}  // namespace tutti
