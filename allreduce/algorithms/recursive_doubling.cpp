// Recursive-doubling allreduce: groups of ranks exchange whole vectors and reduce them, neighbours first.
//
// All ranks are one group, cut into up to r parts (the radix) of consecutive ranks, these into parts again, and so on
// down to single ranks; the sizes of the parts of a group differ by at most one. Rounds go back up: in the round of a
// level every rank gets, from one rank of each sibling part, the reduction over that part, and reduces them in rank
// order. Radix 2 and a power of two: exchanges at distances 1, 2, 4, ..., log2 P (alpha + n beta + n gamma), the fewest
// rounds there are with one message at a time. A higher radix ("recursive multiplying", Ruefenacht, Bull and Booth,
// Parallel Computing 69, 2017) sends r-1 messages at a time in ceil(log_r P) rounds. Any P has as many rounds: where
// parts differ in size, some ranks of the smaller ones serve one rank more.
#include <algorithm>

#include <tutti/allreduce/algorithms/algorithms.hpp>
#include <tutti/collectives/schedule/algorithms/butterfly.hpp>

namespace tutti {
namespace {

constexpr BlockRange kAll = {0, 1};

/// Consecutive ranks.
struct RankGroup {
  int first;
  int size;

  /// Part `i` of `parts`, the larger ones first.
  RankGroup part(int i, int parts) const noexcept {
    const int rest = size % parts;
    return {first + size / parts * i + std::min(i, rest), size / parts + (i < rest ? 1 : 0)};
  }

  /// The part that `rank` is in.
  int part_of(int rank, int parts) const noexcept {
    const int rest = size % parts;
    const int small = size / parts;
    const int place = rank - first;
    const int in_large = rest * (small + 1);
    return place < in_large ? place / (small + 1) : rest + (place - in_large) / small;
  }
};

/// The group of `rank` that is cut at `level`, and into how many parts. Levels count from all ranks down.
struct Cut {
  RankGroup group;
  int parts;
};

Cut cut_at(const Position& at, int level) noexcept {
  const LevelFactors factors(at.shape());
  Cut cut = {{0, at.size}, factors[0]};
  for (int i = 0; i < level; ++i) {
    cut = {cut.group.part(cut.group.part_of(at.rank, cut.parts), cut.parts), factors[i + 1]};
  }
  return cut;
}

int recursive_doubling_allreduce_rounds(const Shape& shape) noexcept { return LevelFactors(shape).rounds(); }

void recursive_doubling_allreduce_round(const Position& at, int index, Round& round) {
  const Cut cut = cut_at(at, recursive_doubling_allreduce_rounds(at.shape()) - 1 - index);
  const int own = cut.group.part_of(at.rank, cut.parts);
  const RankGroup mine = cut.group.part(own, cut.parts);
  const int place = at.rank - mine.first;
  const Slot from = index == 0 ? Slot::input : Slot::output;
  for (int turn = 1; turn < cut.parts; ++turn) {
    const int i = wrap(own + turn, cut.parts);  // everyone begins elsewhere, so that nobody is flooded
    const RankGroup theirs = cut.group.part(i, cut.parts);
    if (theirs.size == 0) continue;
    // Equal places serve each other; the last place of a larger part is served by another one for each part.
    if (place < theirs.size) round.sends.push_back({theirs.first + place, from, kAll});
    if (theirs.size > mine.size && place == i % mine.size) {
      round.sends.push_back({theirs.first + mine.size, from, kAll});
    }
    const int source = place < theirs.size ? place : own % theirs.size;
    round.receives.push_back({theirs.first + source, Slot::output, kAll,
                              i < own ? Reduction::incoming_left : Reduction::incoming_right, from});
  }
  // A rank that has nobody to exchange with in the first round goes on with its input.
  if (index == 0 && round.receives.empty()) round.copies.push_back({Slot::input, Slot::output, kAll});
}

}  // namespace

const Algorithm kRecursiveDoublingAllreduce = {.name = "recursive_doubling",
                                               .collective = Collective::allreduce,
                                               .radix = Radix::per_rank,
                                               .single_block = true,
                                               .canonical_order = true,
                                               .reduces_at_once = true,
                                               .blocks = one_block,
                                               .rounds = recursive_doubling_allreduce_rounds,
                                               .round = recursive_doubling_allreduce_round,
                                               .needs_scratch = no_scratch};

}  // namespace tutti
