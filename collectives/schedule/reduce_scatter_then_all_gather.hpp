// An allreduce made of a reduce_scatter and an all_gather.
//
// In between rank r holds block r reduced over all ranks. An allreduce has room for all blocks in its output, so the
// partial sums that the reduce_scatter keeps in scratch lie there, and the all_gather finds the own block there instead
// of in its input. Rounds, messages and bytes are those of the two together; the order of reduction is the
// reduce_scatter's.
#pragma once

#include <stdexcept>
#include <string_view>

#include <tutti/collectives/schedule/schedule.hpp>

namespace tutti {

/// Changes a round of a reduce_scatter into one that keeps partial sums in the output.
void keep_sums_in_output(Round& round);

/// Changes a round of an all_gather into one that finds the own block in the output.
void begin_in_output(Round& round);

/// The row `name` of the table of allreduce. \throws std::logic_error, which in a constant is an error of the compiler,
/// if the two do not meet: blocks are held elsewhere than at their own places, or one has a radix and the other has
/// not.
template <const Algorithm& kReduceScatter, const Algorithm& kAllGather>
constexpr Algorithm reduce_scatter_then_all_gather(std::string_view name) {
  if (kReduceScatter.collective != Collective::reduce_scatter || kAllGather.collective != Collective::all_gather)
    throw std::logic_error("not a reduce_scatter and an all_gather");
  if (kReduceScatter.moves_blocks || kAllGather.moves_blocks)
    throw std::logic_error("blocks are not at their own places");
  if (kReduceScatter.radix != kAllGather.radix) throw std::logic_error("only one has a radix");
  if (kReduceScatter.is_eligible != nullptr || kAllGather.is_eligible != nullptr)
    throw std::logic_error("one is not for every shape");
  return {.name = name,
          .collective = Collective::allreduce,
          .radix = kReduceScatter.radix,
          .single_block = kReduceScatter.single_block && kAllGather.single_block,
          .canonical_order = kReduceScatter.canonical_order,
          .reduces_at_once = kReduceScatter.reduces_at_once,
          .blocks = block_per_rank,
          .rounds = [](const Shape& shape) noexcept { return kReduceScatter.rounds(shape) + kAllGather.rounds(shape); },
          .round =
              [](const Position& at, int index, Round& round) {
                const int half = kReduceScatter.rounds(at.shape());
                if (index < half) {
                  kReduceScatter.round(at, index, round);
                  keep_sums_in_output(round);
                } else {
                  kAllGather.round(at, index - half, round);
                  begin_in_output(round);
                }
              },
          .needs_scratch = no_scratch};
}

}  // namespace tutti
