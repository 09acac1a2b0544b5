// Binomial trees; see binomial.hpp.
#include <bit>

#include <tutti/collectives/algorithms/binomial.hpp>

namespace tutti {

int binomial_rounds(int size) noexcept { return std::bit_width(static_cast<unsigned>(size - 1)); }

void binomial_reduce_round(const Position& at, int index, Slot work, BlockRange blocks, Round& round) {
  const int v = wrap(at.rank - at.root, at.size);
  const int bit = 1 << index;
  if ((v & (bit - 1)) != 0) return;  // has handed over already
  if ((v & bit) != 0) {
    const bool leaf = index == 0 || v + 1 == at.size;
    round.sends.push_back({wrap(at.rank - bit, at.size), leaf ? Slot::input : work, blocks});
  } else if (v + bit < at.size) {
    round.receives.push_back(
        {wrap(at.rank + bit, at.size), work, blocks, Combine::incoming_right, index == 0 ? Slot::input : work});
  }
}

void binomial_broadcast_round(const Position& at, int index, BlockRange blocks, Round& round) {
  const int v = wrap(at.rank - at.root, at.size);
  const int bit = 1 << (binomial_rounds(at.size) - 1 - index);
  if ((v & (bit - 1)) != 0) return;  // not yet reached
  if ((v & bit) != 0) {
    round.receives.push_back({wrap(at.rank - bit, at.size), Slot::output, blocks});
  } else if (v + bit < at.size) {
    round.sends.push_back({wrap(at.rank + bit, at.size), Slot::output, blocks});
  }
}

namespace {

void broadcast_round(const Position& at, int index, Round& round) {
  binomial_broadcast_round(at, index, {0, 1}, round);
}

void reduce_round(const Position& at, int index, Round& round) {
  binomial_reduce_round(at, index, at.rank == at.root ? Slot::output : Slot::scratch, {0, 1}, round);
}

/// Inner ranks other than the root.
bool reduce_needs_scratch(const Position& at) noexcept {
  const int v = wrap(at.rank - at.root, at.size);
  return v != 0 && v % 2 == 0 && v + 1 < at.size;
}

}  // namespace

const Algorithm kBinomialBroadcast = {.name = "binomial",
                                      .collective = Collective::broadcast,
                                      .single_block = true,
                                      .blocks = one_block,
                                      .rounds = binomial_rounds,
                                      .round = broadcast_round,
                                      .needs_scratch = no_scratch};

const Algorithm kBinomialReduce = {.name = "binomial",
                                   .collective = Collective::reduce,
                                   .single_block = true,
                                   .blocks = one_block,
                                   .rounds = binomial_rounds,
                                   .round = reduce_round,
                                   .needs_scratch = reduce_needs_scratch};

}  // namespace tutti
