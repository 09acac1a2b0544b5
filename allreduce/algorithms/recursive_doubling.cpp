// Recursive-doubling allreduce: the members of ever larger groups exchange whole vectors and combine them.
//
// A butterfly (butterfly.hpp): after the exchange with factor f among groups at distance d a member holds the
// combination of its aligned group of f d members, lower members to the left. Radix 2 exchanges at distances 1, 2, 4,
// ...: for a power of two log2 P (alpha + n beta + n gamma), the fewest rounds there are with one message at a time. A
// higher radix r ("recursive multiplying", Ruefenacht, Bull and Booth, Parallel Computing 69, 2017) sends r-1 messages
// at a time in log_r P rounds. 2 rounds more if P has a prime factor above the radix (fold.hpp).
#include <tutti/allreduce/algorithms/algorithms.hpp>
#include <tutti/collectives/algorithms/butterfly.hpp>
#include <tutti/collectives/algorithms/fold.hpp>

namespace tutti {
namespace {

constexpr BlockRange kAll = {0, 1};

int rounds(const Shape& shape) noexcept {
  const Factors factors(shape);
  return factors.rounds() + 2 * Fold(shape.size, factors.members()).extra();
}

void round_of(const Position& at, int index, Round& round) {
  const Factors factors(at.shape());
  const Fold fold(at.size, factors.members());
  const int level = index - fold.extra();
  if (level < 0) return fold_round(fold, at.rank, kAll, Slot::output, round);
  if (level == factors.rounds()) return unfold_round(fold, at.rank, kAll, round);
  if (fold.is_folded(at.rank)) return;
  const int member = fold.member(at.rank);
  const int stride = factors.stride(level);
  const int digit = factors.digit(member, level);
  const Slot own = level == 0 && !fold.is_paired(at.rank) ? Slot::input : Slot::output;
  for (int d = 0; d < factors[level]; ++d) {
    if (d == digit) continue;
    const int peer = fold.rank(member + (d - digit) * stride);
    round.sends.push_back({peer, own, kAll});
    round.receives.push_back(
        {peer, Slot::output, kAll, d < digit ? Combine::incoming_left : Combine::incoming_right, own});
  }
}

}  // namespace

const Algorithm kRecursiveDoublingAllreduce = {.name = "recursive_doubling",
                                               .collective = Collective::allreduce,
                                               .radix = Radix::per_rank,
                                               .single_block = true,
                                               .canonical_order = true,
                                               .blocks = one_block,
                                               .rounds = rounds,
                                               .round = round_of,
                                               .needs_scratch = no_scratch};

}  // namespace tutti
