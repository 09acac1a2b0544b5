// Recursive-doubling allreduce: members exchange whole vectors at distances 1, 2, 4, ... and combine them.
//
// After the exchange at distance d a member holds the combination of its aligned group of 2d members, lower members to
// the left. Cost for a power of two: log2 P (alpha + n beta + n gamma), the fewest rounds there are. Otherwise 2 rounds
// more (fold.hpp).
#include <tutti/allreduce/algorithms/algorithms.hpp>
#include <tutti/collectives/algorithms/fold.hpp>

namespace tutti {
namespace {

constexpr BlockRange kAll = {0, 1};

int rounds(int size) noexcept {
  const Fold fold(size);
  return fold.levels + 2 * fold.extra();
}

void round_of(const Position& at, int index, Round& round) {
  const Fold fold(at.size);
  const bool paired = fold.is_paired(at.rank);
  const int level = index - fold.extra();
  if (level < 0) {
    if (fold.is_folded(at.rank)) {
      round.sends.push_back({at.rank - 1, Slot::input, kAll});
    } else if (paired) {
      round.receives.push_back({at.rank + 1, Slot::output, kAll, Combine::incoming_right, Slot::input});
    }
  } else if (level < fold.levels) {
    if (fold.is_folded(at.rank)) return;
    const int member = fold.member(at.rank);
    const HypercubeStep step = hypercube_step(member, 1 << level);
    const Slot own = level == 0 && !paired ? Slot::input : Slot::output;
    round.sends.push_back({fold.rank(step.peer), own, kAll});
    round.receives.push_back({fold.rank(step.peer), Slot::output, kAll, side_of(step.peer, member), own});
  } else if (fold.is_folded(at.rank)) {
    round.receives.push_back({at.rank - 1, Slot::output, kAll});
  } else if (paired) {
    round.sends.push_back({at.rank + 1, Slot::output, kAll});
  }
}

}  // namespace

const Algorithm kRecursiveDoublingAllreduce = {.name = "recursive_doubling",
                                               .collective = Collective::allreduce,
                                               .single_block = true,
                                               .blocks = one_block,
                                               .rounds = rounds,
                                               .round = round_of,
                                               .needs_scratch = no_scratch};

}  // namespace tutti
