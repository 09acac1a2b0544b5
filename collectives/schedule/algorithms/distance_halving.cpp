// Far-first all-gather and reduce-scatter on butterflies; see distance_halving.hpp.
#include <algorithm>

#include <tutti/collectives/schedule/algorithms/butterfly.hpp>
#include <tutti/collectives/schedule/algorithms/distance_halving.hpp>

namespace tutti {
namespace {

/// Factors of which all ranks are members.
Factors factors_of(const Shape& shape) noexcept {
  return Factors({shape.size, std::max(shape.radix, largest_prime_factor(shape.size)), {}});
}

int exchanges(const Shape& shape) noexcept { return factors_of(shape).rounds(); }
int exchanges_and_sorting(const Shape& shape) noexcept { return exchanges(shape) + 1; }

/// Where the block of `rank` is held: at the number that its digits make with the lowest first.
int place(const Factors& factors, int rank) noexcept {
  int place = 0;
  for (int level = 0; level < factors.rounds(); ++level) place = place * factors[level] + factors.digit(rank, level);
  return place;
}

/// Places of the blocks of all ranks that have the digits below `level` in common with `rank`.
BlockRange alike(const Factors& factors, int rank, int level) noexcept {
  const int count = factors.members() / factors.stride(level);
  return {place(factors, rank) / count * count, count};
}

void distance_halving_all_gather_round(const Position& at, int index, Round& round) {
  const Factors factors = factors_of(at.shape());
  if (index == 0) {
    round.copies.push_back({Slot::input, Slot::scratch, {at.rank, 1}, place(factors, at.rank) - at.rank});
  }
  if (index == factors.rounds()) {
    for (int rank = 0; rank < at.size; ++rank) {
      const int held = place(factors, rank);
      round.copies.push_back({Slot::scratch, Slot::output, {held, 1}, rank - held});
    }
    return;
  }
  const int level = factors.rounds() - 1 - index;
  for_each_peer(factors, at.rank, level, [&](int peer, int) {
    round.sends.push_back({peer, Slot::scratch, alike(factors, at.rank, level + 1)});
    round.receives.push_back({peer, Slot::scratch, alike(factors, peer, level + 1)});
  });
}

void distance_halving_reduce_scatter_round(const Position& at, int index, Round& round) {
  const Factors factors = factors_of(at.shape());
  if (index == 0) {
    for (int rank = 0; rank < at.size; ++rank) {
      round.copies.push_back({Slot::input, Slot::scratch, {rank, 1}, place(factors, rank) - rank});
    }
  }
  if (index == factors.rounds()) {
    const int held = place(factors, at.rank);
    round.copies.push_back({Slot::scratch, Slot::output, {held, 1}, at.rank - held});
    return;
  }
  for_each_peer(factors, at.rank, index, [&](int peer, int) {
    round.sends.push_back({peer, Slot::scratch, alike(factors, peer, index + 1)});
    round.receives.push_back(
        {peer, Slot::scratch, alike(factors, at.rank, index + 1), Reduction::incoming_right, Slot::scratch});
  });
}

}  // namespace

const Algorithm kDistanceHalvingAllGather = {.name = "distance_halving",
                                             .collective = Collective::all_gather,
                                             .radix = Radix::per_rank,
                                             .single_block = false,
                                             .moves_blocks = true,
                                             .blocks = block_per_rank,
                                             .rounds = exchanges_and_sorting,
                                             .round = distance_halving_all_gather_round,
                                             .needs_scratch = scratch_everywhere};

const Algorithm kDistanceDoublingReduceScatter = {.name = "distance_doubling",
                                                  .collective = Collective::reduce_scatter,
                                                  .radix = Radix::per_rank,
                                                  .single_block = false,
                                                  .moves_blocks = true,
                                                  .blocks = block_per_rank,
                                                  .rounds = exchanges_and_sorting,
                                                  .round = distance_halving_reduce_scatter_round,
                                                  .needs_scratch = scratch_everywhere};

}  // namespace tutti
