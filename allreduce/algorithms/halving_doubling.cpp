// Recursive halving-doubling allreduce (Rabenseifner 2004): a recursive-halving reduce-scatter, then a
// recursive-doubling all-gather.
//
// Before: every member holds its vector as 2^k blocks. Exchanges at distances 2^(k-1), ..., 2, 1 halve the range that a
// member still combines; the same exchanges backwards double the range that it holds complete. Cost for a power of two:
// 2 log2 P alpha + 2(P-1)/P n beta + (P-1)/P n gamma. Otherwise 2 rounds of n bytes more (fold.hpp).
#include <tutti/allreduce/algorithms/algorithms.hpp>
#include <tutti/collectives/algorithms/fold.hpp>

namespace tutti {
namespace {

int blocks(int size) noexcept { return Fold(size).members(); }

int rounds(int size) noexcept {
  const Fold fold(size);
  return 2 * fold.levels + 2 * fold.extra();
}

void round_of(const Position& at, int index, Round& round) {
  const Fold fold(at.size);
  const BlockRange all = {0, fold.members()};
  const bool paired = fold.is_paired(at.rank);
  const int level = index - fold.extra();
  if (level < 0) {
    if (fold.is_folded(at.rank)) {
      round.sends.push_back({at.rank - 1, Slot::input, all});
    } else if (paired) {
      round.receives.push_back({at.rank + 1, Slot::output, all, Combine::incoming_right, Slot::input});
    }
  } else if (level < 2 * fold.levels) {
    if (fold.is_folded(at.rank)) return;
    const int member = fold.member(at.rank);
    const bool halving = level < fold.levels;
    const HypercubeStep step = hypercube_step(member, 1 << (halving ? fold.levels - 1 - level : level - fold.levels));
    const int peer = fold.rank(step.peer);
    const Slot own = level == 0 && !paired ? Slot::input : Slot::output;
    if (halving) {
      round.sends.push_back({peer, own, step.give});
      round.receives.push_back({peer, Slot::output, step.keep, side_of(step.peer, member), own});
    } else {
      round.sends.push_back({peer, Slot::output, step.keep});
      round.receives.push_back({peer, Slot::output, step.give});
    }
  } else if (fold.is_folded(at.rank)) {
    round.receives.push_back({at.rank - 1, Slot::output, all});
  } else if (paired) {
    round.sends.push_back({at.rank + 1, Slot::output, all});
  }
}

}  // namespace

const Algorithm kHalvingDoublingAllreduce = {.name = "halving_doubling",
                                             .collective = Collective::allreduce,
                                             .single_block = false,
                                             .blocks = blocks,
                                             .rounds = rounds,
                                             .round = round_of,
                                             .needs_scratch = no_scratch};

}  // namespace tutti
