// Bruck all-to-all; see bruck.hpp.
//
// Between rounds the blocks lie in the output, sorted by the digit of the round before; each round sorts them into the
// scratch slot, sends from there and receives into the output.
#include <vector>

#include <tutti/collectives/schedule/algorithms/bruck.hpp>
#include <tutti/collectives/schedule/algorithms/knomial.hpp>

namespace tutti {
namespace {

int bruck_rounds(const Shape& shape) noexcept { return knomial_rounds(shape) + 1; }

/// Blocks sorted by their digit of weight `weight`, and by number among equals. Weight 0: as they are.
struct Sorted {
  std::vector<int> place;  ///< of each block
  std::vector<int> first;  ///< place of the first block with digit d; one more at the end

  Sorted(const Shape& shape, int weight) : place(static_cast<std::size_t>(shape.size)) {
    int next = 0;
    for (int d = 0; d < shape.radix; ++d) {
      first.push_back(next);
      for (int i = 0; i < shape.size; ++i) {
        if ((weight == 0 ? 0 : i / weight % shape.radix) == d) place[static_cast<std::size_t>(i)] = next++;
      }
    }
    first.push_back(next);
  }
};

/// Moves every block i from place before[i] of `from` to place after[i] of `to`, runs together.
void move_all(const std::vector<int>& before, const std::vector<int>& after, Slot from, Slot to, Round& round) {
  for (std::size_t i = 0; i < before.size(); ++i) {
    const int shift = after[i] - before[i];
    if (!round.copies.empty()) {
      Copy& last = round.copies.back();
      if (last.from == from && last.to == to && last.shift == shift &&
          before[i] == last.blocks.first + last.blocks.count) {
        ++last.blocks.count;
        continue;
      }
    }
    round.copies.push_back({from, to, {before[i], 1}, shift});
  }
}

void bruck_all_to_all_round(const Position& at, int index, Round& round) {
  const auto size = static_cast<std::size_t>(at.size);
  int weight = 1;
  for (int i = 0; i < index; ++i) weight *= at.radix;
  if (index == bruck_rounds(at.shape()) - 1) {
    // Block i has come from the rank i before this one.
    const Sorted last(at.shape(), weight / at.radix);
    std::vector<int> home(size);
    for (std::size_t i = 0; i < size; ++i) home[i] = wrap(at.rank - static_cast<int>(i), at.size);
    round.copies.push_back({Slot::output, Slot::scratch, {0, at.size}});
    return move_all(last.place, home, Slot::scratch, Slot::output, round);
  }
  const Sorted now(at.shape(), weight);
  if (index == 0) {
    std::vector<int> target(size);
    for (std::size_t i = 0; i < size; ++i) target[i] = wrap(at.rank + static_cast<int>(i), at.size);
    move_all(target, now.place, Slot::input, Slot::scratch, round);
  } else {
    move_all(Sorted(at.shape(), weight / at.radix).place, now.place, Slot::output, Slot::scratch, round);
  }
  round.copies.push_back({Slot::scratch, Slot::output, {0, now.first[1]}});
  for (int d = 1; d < at.radix && d * weight < at.size; ++d) {
    const auto digit = static_cast<std::size_t>(d);
    const Blocks blocks(now.first[digit], now.first[digit + 1] - now.first[digit]);
    round.sends.push_back({wrap(at.rank + d * weight, at.size), Slot::scratch, blocks});
    round.receives.push_back({wrap(at.rank - d * weight, at.size), Slot::output, blocks});
  }
}

}  // namespace

const Algorithm kBruckAllToAll = {.name = "bruck",
                                  .collective = Collective::all_to_all,
                                  .radix = Radix::per_rank,
                                  .single_block = false,
                                  .moves_blocks = true,
                                  .blocks = block_per_rank,
                                  .rounds = bruck_rounds,
                                  .round = bruck_all_to_all_round,
                                  .needs_scratch = scratch_everywhere};

}  // namespace tutti
