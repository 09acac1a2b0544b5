// Dissemination barrier; see dissemination.hpp.
#include <tutti/collectives/algorithms/binomial.hpp>
#include <tutti/collectives/algorithms/dissemination.hpp>

namespace tutti {
namespace {

void barrier_round(const Position& at, int index, Round& round) {
  const int distance = 1 << index;
  round.sends.push_back({wrap(at.rank + distance, at.size), Slot::input, {0, 1}});
  round.receives.push_back({wrap(at.rank - distance, at.size), Slot::scratch, {0, 1}});
}

bool always(const Position&) noexcept { return true; }

}  // namespace

const Algorithm kDisseminationBarrier = {.name = "dissemination",
                                         .collective = Collective::barrier,
                                         .single_block = true,
                                         .blocks = one_block,
                                         .rounds = binomial_rounds,
                                         .round = barrier_round,
                                         .needs_scratch = always};

}  // namespace tutti
