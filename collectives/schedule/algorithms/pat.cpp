// All-gather and reduce-scatter that send far first; see pat.hpp.
#include <bit>

#include <tutti/collectives/schedule/algorithms/butterfly.hpp>
#include <tutti/collectives/schedule/algorithms/pat.hpp>

namespace tutti {
namespace {

int pat_rounds(const Shape& shape) noexcept { return std::bit_width(static_cast<unsigned>(shape.size - 1)); }
int rounds_and_sorting(const Shape& shape) noexcept { return pat_rounds(shape) + 1; }

/// Where distance_halving.hpp needs no wide exchange it is faster, since its groups are aligned: seen in bench/scale on
/// 60, 64 and 100 ranks.
bool is_eligible(const Shape& shape) noexcept { return largest_prime_factor(shape.size) > 7; }

/// How many multiples of `d` there are below `size`.
constexpr int multiples(int d, int size) noexcept { return (size + d - 1) / d; }

/// Place of offset `o` in bit-reversed order: among all multiples of its lowest bit d, those of 2d come first; odd ones
/// are in the order of their halves' neighbours o - d.
int pat_place(int o, int size) noexcept {
  if (o == 0) return 0;
  const int d = o & -o;
  int p = pat_place(o - d, size);
  // The one offset x that is a multiple of 2d with x + d >= size has no odd neighbour; it leaves a gap before `p`.
  const int x = (multiples(2 * d, size) - 1) * 2 * d;
  if (x + d >= size && pat_place(x, size) < p) --p;
  return multiples(2 * d, size) + p;
}

/// Places of the offsets o, multiples of 2d, with o + d < size: all places of multiples but one at most.
Blocks handed_on(int d, int size) noexcept {
  const int count = multiples(2 * d, size);
  const int last = (count - 1) * 2 * d;
  if (last + d < size) return {0, count};
  const int gap = pat_place(last, size);
  if (gap == 0) return {1, count - 1};
  return {{0, gap}, {gap + 1, count - gap - 1}};
}

/// Places of the offsets o + d for those, cut likewise.
Blocks handed_over(int d, int size) noexcept {
  const Blocks from = handed_on(d, size);
  const int first = multiples(2 * d, size);
  const int head = from.begin()->count;
  return {{first, head}, {first + head, from.count() - head}};
}

void pat_all_gather_round(const Position& at, int index, Round& round) {
  if (index == pat_rounds(at.shape())) {
    for (int o = 0; o < at.size; ++o) {
      const int home = wrap(at.rank - o, at.size);
      round.copies.push_back({Slot::scratch, Slot::output, {pat_place(o, at.size), 1}, home - pat_place(o, at.size)});
    }
    return;
  }
  if (index == 0) round.copies.push_back({Slot::input, Slot::scratch, {at.rank, 1}, -at.rank});
  const int d = 1 << (pat_rounds(at.shape()) - 1 - index);
  round.sends.push_back({wrap(at.rank + d, at.size), Slot::scratch, handed_on(d, at.size)});
  round.receives.push_back({wrap(at.rank - d, at.size), Slot::scratch, handed_over(d, at.size)});
}

void pat_reduce_scatter_round(const Position& at, int index, Round& round) {
  if (index == 0) {
    for (int o = 0; o < at.size; ++o) {
      const int home = wrap(at.rank - o, at.size);
      round.copies.push_back({Slot::input, Slot::scratch, {home, 1}, pat_place(o, at.size) - home});
    }
  }
  if (index == pat_rounds(at.shape())) {
    round.copies.push_back({Slot::scratch, Slot::output, {0, 1}, at.rank});
    return;
  }
  const int d = 1 << index;
  round.sends.push_back({wrap(at.rank - d, at.size), Slot::scratch, handed_over(d, at.size)});
  round.receives.push_back(
      {wrap(at.rank + d, at.size), Slot::scratch, handed_on(d, at.size), Reduction::incoming_right, Slot::scratch});
}

}  // namespace

const Algorithm kPatAllGather = {.name = "pat",
                                 .collective = Collective::all_gather,
                                 .single_block = false,
                                 .moves_blocks = true,
                                 .blocks = block_per_rank,
                                 .rounds = rounds_and_sorting,
                                 .round = pat_all_gather_round,
                                 .needs_scratch = scratch_everywhere,
                                 .is_eligible = is_eligible};

const Algorithm kPatReduceScatter = {.name = "pat",
                                     .collective = Collective::reduce_scatter,
                                     .single_block = false,
                                     .moves_blocks = true,
                                     .blocks = block_per_rank,
                                     .rounds = rounds_and_sorting,
                                     .round = pat_reduce_scatter_round,
                                     .needs_scratch = scratch_everywhere,
                                     .is_eligible = is_eligible};

}  // namespace tutti
