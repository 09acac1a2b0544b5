// Rounds of composed allreduces; see reduce_scatter_then_all_gather.hpp.
#include <tutti/collectives/schedule/reduce_scatter_then_all_gather.hpp>

namespace tutti {
namespace {

/// Uses `to` where the round uses `from`. Copies that then stay where they are go.
void replace(Slot from, Slot to, Round& round) {
  const auto change = [&](Slot& slot) {
    if (slot == from) slot = to;
  };
  for (Copy& copy : round.copies) {
    change(copy.from);
    change(copy.to);
  }
  std::erase_if(round.copies, [](const Copy& copy) { return copy.from == copy.to && copy.shift == 0; });
  for (Send& send : round.sends) change(send.from);
  for (Receive& receive : round.receives) {
    change(receive.to);
    change(receive.with);
  }
}

}  // namespace

void keep_sums_in_output(Round& round) { replace(Slot::scratch, Slot::output, round); }
void begin_in_output(Round& round) { replace(Slot::input, Slot::output, round); }

}  // namespace tutti
