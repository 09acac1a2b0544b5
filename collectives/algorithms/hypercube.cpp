// Recursive doubling and halving; see hypercube.hpp.
#include <tutti/collectives/algorithms/fold.hpp>
#include <tutti/collectives/algorithms/hypercube.hpp>

namespace tutti {
namespace {

int hypercube_rounds(int size) noexcept {
  const Fold fold(size);
  return fold.levels + 2 * fold.extra();
}

void all_gather_round(const Position& at, int index, Round& round) {
  const Fold fold(at.size);
  const BlockRange all = {0, at.size};
  const BlockRange own = {at.rank, 1};
  if (index == 0) round.copies.push_back({Slot::input, Slot::output, own});
  const int level = index - fold.extra();
  if (level < 0) {  // fold
    if (fold.is_folded(at.rank)) {
      round.sends.push_back({at.rank - 1, Slot::input, own});
    } else if (fold.is_paired(at.rank)) {
      round.receives.push_back({at.rank + 1, Slot::output, {at.rank + 1, 1}});
    }
  } else if (level < fold.levels) {
    if (fold.is_folded(at.rank)) return;
    const HypercubeStep step = hypercube_step(fold.member(at.rank), 1 << level);
    const int peer = fold.rank(step.peer);
    round.sends.push_back({peer, Slot::output, fold.ranks(step.keep)});
    round.receives.push_back({peer, Slot::output, fold.ranks(step.give)});
  } else if (fold.is_folded(at.rank)) {  // unfold: everything but the own block, which lies at one place or the other
    round.receives.push_back({at.rank - 1, Slot::output, all});
  } else if (fold.is_paired(at.rank)) {
    round.sends.push_back({at.rank + 1, Slot::output, all});
  }
}

void reduce_scatter_round(const Position& at, int index, Round& round) {
  const Fold fold(at.size);
  const bool paired = fold.is_paired(at.rank);
  const int level = index - fold.extra();
  if (level < 0) {  // fold
    const BlockRange all = {0, at.size};
    if (fold.is_folded(at.rank)) {
      round.sends.push_back({at.rank - 1, Slot::input, all});
    } else if (paired) {
      round.receives.push_back({at.rank + 1, Slot::scratch, all, Combine::incoming_right, Slot::input});
    }
  } else if (level < fold.levels) {
    if (fold.is_folded(at.rank)) return;
    const int member = fold.member(at.rank);
    const HypercubeStep step = hypercube_step(member, fold.members() >> (level + 1));
    const int peer = fold.rank(step.peer);
    const Slot work = level == 0 && !paired ? Slot::input : Slot::scratch;
    const bool completes_own = level == fold.levels - 1 && !paired;
    round.sends.push_back({peer, work, fold.ranks(step.give)});
    round.receives.push_back(
        {peer, completes_own ? Slot::output : Slot::scratch, fold.ranks(step.keep), side_of(step.peer, member), work});
  } else if (fold.is_folded(at.rank)) {  // unfold
    round.receives.push_back({at.rank - 1, Slot::output, {at.rank, 1}});
  } else if (paired) {
    round.copies.push_back({Slot::scratch, Slot::output, {at.rank, 1}});
    round.sends.push_back({at.rank + 1, Slot::scratch, {at.rank + 1, 1}});
  }
}

bool halving_needs_scratch(const Position& at) noexcept { return !Fold(at.size).is_folded(at.rank); }

}  // namespace

const Algorithm kRecursiveDoublingAllGather = {.name = "recursive_doubling",
                                               .collective = Collective::all_gather,
                                               .single_block = false,
                                               .blocks = block_per_rank,
                                               .rounds = hypercube_rounds,
                                               .round = all_gather_round,
                                               .needs_scratch = no_scratch};

const Algorithm kRecursiveHalvingReduceScatter = {.name = "recursive_halving",
                                                  .collective = Collective::reduce_scatter,
                                                  .single_block = false,
                                                  .blocks = block_per_rank,
                                                  .rounds = hypercube_rounds,
                                                  .round = reduce_scatter_round,
                                                  .needs_scratch = halving_needs_scratch};

}  // namespace tutti
