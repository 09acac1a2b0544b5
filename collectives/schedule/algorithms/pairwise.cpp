// Pairwise all-to-all; see pairwise.hpp.
#include <tutti/collectives/schedule/algorithms/pairwise.hpp>

namespace tutti {
namespace {

/// Messages at a time.
int window(const Shape& shape) noexcept { return shape.radix - 1; }
int pairwise_rounds(const Shape& shape) noexcept { return (shape.size - 2) / window(shape) + 1; }

void pairwise_all_to_all_round(const Position& at, int index, Round& round) {
  if (index == 0) round.copies.push_back({Slot::input, Slot::output, {at.rank, 1}});
  const int first = index * window(at.shape()) + 1;
  for (int distance = first; distance < first + window(at.shape()) && distance < at.size; ++distance) {
    const int to = wrap(at.rank + distance, at.size);
    const int from = wrap(at.rank - distance, at.size);
    round.sends.push_back({to, Slot::input, {to, 1}});
    round.receives.push_back({from, Slot::output, {from, 1}});
  }
}

}  // namespace

const Algorithm kPairwiseAllToAll = {.name = "pairwise",
                                     .collective = Collective::all_to_all,
                                     .radix = Radix::per_rank,
                                     .single_block = true,
                                     .blocks = block_per_rank,
                                     .rounds = pairwise_rounds,
                                     .round = pairwise_all_to_all_round,
                                     .needs_scratch = no_scratch};

}  // namespace tutti
