// Circulant reduce-scatter and all-gather; see circulant.hpp.
#include <algorithm>

#include <tutti/collectives/schedule/algorithms/circulant.hpp>
#include <tutti/collectives/schedule/reduce_scatter_then_all_gather.hpp>

namespace tutti {
namespace {

struct Level {
  int span;  ///< blocks that a rank is responsible for before (reduce-scatter) or holds after (all-gather)
  int skip;  ///< the same on the other side
};

/// Level `index`, counted from the widest.
Level level_of(const Shape& shape, int index) noexcept {
  Level level{shape.size, shape.size};
  for (int i = 0; i <= index; ++i) level = {level.skip, (level.skip + shape.radix - 1) / shape.radix};
  return level;
}

/// Blocks that go over distance j * skip.
int count_of(const Level& level, int j) noexcept { return std::min(level.skip, level.span - j * level.skip); }

void plain_circulant_reduce_scatter_round(const Position& at, int index, Round& round) {
  circulant_reduce_scatter_round(at, index, Slot::scratch, Slot::output, round);
}

void plain_circulant_all_gather_round(const Position& at, int index, Round& round) {
  if (index == 0) round.copies.push_back({Slot::input, Slot::output, {at.rank, 1}});
  circulant_all_gather_round(at, index, 0, false, round);
}

}  // namespace

int circulant_rounds(const Shape& shape) noexcept {
  int rounds = 0;
  for (int span = shape.size; span > 1; span = (span + shape.radix - 1) / shape.radix) ++rounds;
  return rounds;
}

void circulant_reduce_scatter_round(const Position& at, int index, Slot work, Slot result, Round& round) {
  const Level level = level_of(at.shape(), index);
  const Slot from = index == 0 ? Slot::input : work;
  const Slot to = level.skip == 1 ? result : work;
  int covered = 0;  // blocks of the own range that have been reduced in this round
  for (int j = 1; j * level.skip < level.span; ++j) {
    const int count = count_of(level, j);
    const int target = wrap(at.rank + j * level.skip, at.size);
    const int source = wrap(at.rank - j * level.skip, at.size);
    round.sends.push_back({target, from, cyclic(target, count, at.size)});
    round.receives.push_back(
        {source, to, cyclic(at.rank, count, at.size), Reduction::incoming_left, count <= covered ? to : from});
    covered = std::max(covered, count);
  }
  if (index == 0 && covered < level.skip) {
    for (const BlockRange rest : cyclic(wrap(at.rank + covered, at.size), level.skip - covered, at.size)) {
      round.copies.push_back({Slot::input, work, rest});
    }
  }
}

void circulant_all_gather_round(const Position& at, int index, int first, bool first_has_all, Round& round) {
  const Level level = level_of(at.shape(), circulant_rounds(at.shape()) - 1 - index);
  const int own = wrap(at.rank - first, at.size);
  for (int j = 1; j * level.skip < level.span; ++j) {
    const int count = count_of(level, j);
    const int target = wrap(own - j * level.skip, at.size);
    const int source = wrap(own + j * level.skip, at.size);
    if (target != 0 || !first_has_all) {
      round.sends.push_back({wrap(target + first, at.size), Slot::output, cyclic(own, count, at.size)});
    }
    if (own != 0 || !first_has_all) {
      round.receives.push_back({wrap(source + first, at.size), Slot::output, cyclic(source, count, at.size)});
    }
  }
}

constexpr Algorithm kCirculantReduceScatter = {.name = "circulant",
                                               .collective = Collective::reduce_scatter,
                                               .radix = Radix::per_rank,
                                               .single_block = false,
                                               .blocks = block_per_rank,
                                               .rounds = circulant_rounds,
                                               .round = plain_circulant_reduce_scatter_round,
                                               .needs_scratch = scratch_everywhere};

constexpr Algorithm kCirculantAllGather = {.name = "circulant",
                                           .collective = Collective::all_gather,
                                           .radix = Radix::per_rank,
                                           .single_block = false,
                                           .blocks = block_per_rank,
                                           .rounds = circulant_rounds,
                                           .round = plain_circulant_all_gather_round,
                                           .needs_scratch = no_scratch};

constexpr Algorithm kCirculantAllreduce =
    reduce_scatter_then_all_gather<kCirculantReduceScatter, kCirculantAllGather>("circulant");

}  // namespace tutti
