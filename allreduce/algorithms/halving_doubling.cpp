// Recursive halving-doubling allreduce (Rabenseifner 2004) of any radix: a butterfly reduce-scatter, then the same
// backwards as an all-gather.
//
// Before: every member holds its vector as m blocks (butterfly.hpp). Round i of the first half cuts the range that a
// member still reduces into f_i parts, one for each member of its group; neighbours come first, so most bytes go the
// shortest way, and every block is reduced in rank order. The second half goes through the same groups backwards and
// multiplies the range that a member holds complete. Cost for a power of two and radix 2: 2 log2 P alpha + 2(P-1)/P n
// beta + (P-1)/P n gamma; a higher radix has fewer rounds of more messages and the same bytes. 2 rounds of n bytes more
// if P has a prime factor above the radix (fold.hpp).
//
// Not recursive halving followed by recursive doubling of butterfly.hpp: those cut far groups first, so blocks are not
// reduced in rank order, and where ranks are folded they unfold and fold once more in between.
#include <tutti/allreduce/algorithms/algorithms.hpp>
#include <tutti/collectives/schedule/algorithms/butterfly.hpp>
#include <tutti/collectives/schedule/algorithms/fold.hpp>

namespace tutti {
namespace {

int halving_doubling_allreduce_blocks(const Shape& shape) noexcept { return Factors(shape).members(); }

int halving_doubling_allreduce_rounds(const Shape& shape) noexcept {
  const Factors factors(shape);
  return 2 * factors.rounds() + 2 * Fold(shape.size, factors.members()).extra();
}

void halving_doubling_allreduce_round(const Position& at, int index, Round& round) {
  const Factors factors(at.shape());
  const Fold fold(at.size, factors.members());
  const int levels = factors.rounds();
  const int step = index - fold.extra();
  if (step < 0) return fold_round(fold, at.rank, {0, factors.members()}, Slot::output, round);
  if (step == 2 * levels) return unfold_round(fold, at.rank, {0, factors.members()}, round);
  if (fold.is_folded(at.rank)) return;

  const bool halving = step < levels;
  const int level = halving ? step : 2 * levels - 1 - step;
  const int member = fold.member(at.rank);
  int first = 0;  // of the range that the group works on, which has `part` blocks for each of its members
  int part = factors.members();
  for (int i = 0; i < level; ++i) first += factors.digit(member, i) * (part /= factors[i]);
  part /= factors[level];

  const Slot from = step == 0 && !fold.is_paired(at.rank) ? Slot::input : Slot::output;
  const BlockRange own = {first + factors.digit(member, level) * part, part};
  for_each_peer(factors, member, level, [&](int other, int digit) {
    const int peer = fold.rank(other);
    const BlockRange theirs = {first + digit * part, part};
    round.sends.push_back({peer, from, halving ? theirs : own});
    if (halving) {
      round.receives.push_back(
          {peer, Slot::output, own, other < member ? Reduction::incoming_left : Reduction::incoming_right, from});
    } else {
      round.receives.push_back({peer, Slot::output, theirs});
    }
  });
}

}  // namespace

const Algorithm kHalvingDoublingAllreduce = {.name = "halving_doubling",
                                             .collective = Collective::allreduce,
                                             .radix = Radix::per_rank,
                                             .single_block = false,
                                             .canonical_order = true,
                                             .reduces_at_once = true,
                                             .blocks = halving_doubling_allreduce_blocks,
                                             .rounds = halving_doubling_allreduce_rounds,
                                             .round = halving_doubling_allreduce_round,
                                             .needs_scratch = no_scratch};

}  // namespace tutti
