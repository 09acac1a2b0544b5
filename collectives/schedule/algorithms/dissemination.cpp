// Dissemination barrier; see dissemination.hpp.
#include <tutti/collectives/schedule/algorithms/dissemination.hpp>
#include <tutti/collectives/schedule/algorithms/knomial.hpp>

namespace tutti {
namespace {

int a_block_per_message(const Shape& shape) noexcept { return shape.radix - 1; }

void barrier_round(const Position& at, int index, Round& round) {
  int distance = 1;
  for (int i = 0; i < index; ++i) distance *= at.radix;
  for (int j = 1; j < at.radix && j * distance < at.size; ++j) {
    round.sends.push_back({wrap(at.rank + j * distance, at.size), Slot::input, {j - 1, 1}});
    round.receives.push_back({wrap(at.rank - j * distance, at.size), Slot::scratch, {j - 1, 1}});
  }
}

}  // namespace

const Algorithm kDisseminationBarrier = {.name = "dissemination",
                                         .collective = Collective::barrier,
                                         .radix = Radix::per_rank,
                                         .single_block = true,
                                         .blocks = a_block_per_message,
                                         .rounds = knomial_rounds,
                                         .round = barrier_round,
                                         .needs_scratch = scratch_everywhere};

}  // namespace tutti
