// Swing allreduce (De Sensi et al., NSDI 2024): halving-doubling with partners that stay near each other on a ring or a
// torus.
//
// Step s of the reduce-scatter goes to the rank rho(s) = (1 - (-2)^(s+1)) / 3 away, 1, -1, 3, -5, 11, ...: even members
// to the right, odd ones to the left. The sum of the distances is a third less than that of 1, 2, 4, ..., and the
// messages of a step use both directions of every link. log2 P rounds, then the same backwards as an all-gather;
// 2(P-1)/P n beta. Other numbers of ranks than powers of two are folded (fold.hpp).
//
// Which half of a range a member keeps: with u = x for even x and -x for odd, w = 6u + 1, step s turns w into
// -w - (-2)^(s+2). So members that can still meet after step s have the same w modulo 2^(s+3), but for the sign, and
// each step splits such a class in two; the last one splits pairs of an even and an odd member.
//
// Order of reduction: not the canonical one.
#include <algorithm>
#include <bit>

#include <tutti/allreduce/algorithms/algorithms.hpp>
#include <tutti/collectives/schedule/algorithms/fold.hpp>

namespace tutti {
namespace {

struct Swing {
  int members;
  int levels;

  explicit Swing(int size) noexcept
      : members(static_cast<int>(std::bit_floor(static_cast<unsigned>(size)))),
        levels(std::bit_width(static_cast<unsigned>(size)) - 1) {}

  int peer(int member, int step) const noexcept {
    const int power = 2 << step;
    const int distance = (step % 2 == 0 ? 1 + power : 1 - power) / 3;
    return (member + (member % 2 == 0 ? distance : -distance)) & (members - 1);
  }

  /// The half that `member` keeps in `step`: 0 or 1, the other one than its peer's.
  int side(int member, int step) const noexcept {
    if (step == levels - 1) return member % 2;
    const unsigned u = member % 2 == 0 ? static_cast<unsigned>(member) : -static_cast<unsigned>(member);
    const unsigned modulus = 8U << step;
    const unsigned w = (6 * u + 1) & (modulus - 1);
    return std::min(w, modulus - w) > modulus / 4 ? 1 : 0;
  }
};

int swing_allreduce_blocks(const Shape& shape) noexcept { return Swing(shape.size).members; }

int swing_allreduce_rounds(const Shape& shape) noexcept {
  const Swing swing(shape.size);
  return 2 * swing.levels + 2 * Fold(shape.size, swing.members).extra();
}

void swing_allreduce_round(const Position& at, int index, Round& round) {
  const Swing swing(at.size);
  const Fold fold(at.size, swing.members);
  const int turn = index - fold.extra();
  if (turn < 0) return fold_round(fold, at.rank, {0, swing.members}, Slot::output, round);
  if (turn == 2 * swing.levels) return unfold_round(fold, at.rank, {0, swing.members}, round);
  if (fold.is_folded(at.rank)) return;

  const bool reducing = turn < swing.levels;
  const int step = reducing ? turn : 2 * swing.levels - 1 - turn;
  const int member = fold.member(at.rank);
  int first = 0;
  for (int s = 0; s < step; ++s) first += swing.side(member, s) * (swing.members >> (s + 1));
  const int half = swing.members >> (step + 1);
  const int side = swing.side(member, step);
  const BlockRange own = {first + side * half, half};
  const BlockRange theirs = {first + (1 - side) * half, half};

  const int other = swing.peer(member, step);
  const int peer = fold.rank(other);
  if (reducing) {
    const Slot from = turn == 0 && !fold.is_paired(at.rank) ? Slot::input : Slot::output;
    round.sends.push_back({peer, from, theirs});
    round.receives.push_back(
        {peer, Slot::output, own, other < member ? Reduction::incoming_left : Reduction::incoming_right, from});
  } else {
    round.sends.push_back({peer, Slot::output, own});
    round.receives.push_back({peer, Slot::output, theirs});
  }
}

}  // namespace

const Algorithm kSwingAllreduce = {.name = "swing",
                                   .collective = Collective::allreduce,
                                   .single_block = false,
                                   .blocks = swing_allreduce_blocks,
                                   .rounds = swing_allreduce_rounds,
                                   .round = swing_allreduce_round,
                                   .needs_scratch = no_scratch};

}  // namespace tutti
