// Keeping schedules; see compiled_schedule.hpp.
#include <cstdint>

#include <tutti/collectives/schedule/compiled_schedule.hpp>
#include <tutti/collectives/schedule/step_order.hpp>

namespace tutti::detail {
namespace {

/// More make a schedule too large to be held: it takes long enough that asking for its rounds does not matter.
constexpr std::size_t kMostHeld = 64;  // rounds, messages and copies together

}  // namespace

CompiledSchedule::CompiledSchedule(const Algorithm& algorithm, const Position& at)
    : algorithm_(algorithm),
      at_(at),
      blocks_(algorithm.blocks(at.shape())),
      rounds_(algorithm.rounds(at.shape())),
      spacing_(segment_spacing(algorithm, rounds_)),
      needs_scratch_(algorithm.needs_scratch(at)) {
  hold_if_small();
}

void CompiledSchedule::hold_if_small() {
  std::size_t held = 0;
  Round round;
  for (int i = 0; i < rounds_; ++i) {
    round.clear();
    algorithm_.round(at_, i, round);
    held += 1 + round.copies.size() + round.sends.size() + round.receives.size();
    if (held > kMostHeld) {
      held_.clear();
      held_.shrink_to_fit();
      return;
    }
    held_.push_back(round);
  }
}

const Round& CompiledSchedule::round(int index, Round& space) const {
  if (!held_.empty()) return held_[static_cast<std::size_t>(index)];
  space.clear();
  algorithm_.round(at_, index, space);
  return space;
}

std::shared_ptr<const CompiledSchedule> ScheduleStore::find(const Algorithm& algorithm, int radix, int root) {
  // Roots that follow each other lie behind each other, so that none displaces another in a program that takes turns.
  const auto key = static_cast<std::uint64_t>(reinterpret_cast<std::uintptr_t>(&algorithm)) +
                   static_cast<std::uint64_t>(radix) * sizeof(Algorithm);
  const std::size_t first = ((key * 0x9E3779B97F4A7C15U >> 32) + static_cast<std::size_t>(root)) % kSets;
  std::shared_ptr<const CompiledSchedule>* place = &recent_[first + next_way_ % kWays];
  for (std::size_t i = first; i < first + kWays; ++i) {
    const CompiledSchedule* known = recent_[i].get();
    if (known == nullptr) {
      place = &recent_[i];
      break;
    }
    if (&known->algorithm() == &algorithm && known->at().radix == radix && known->at().root == root) return recent_[i];
  }
  ++next_way_;
  const Shape shape = {.size = group_.size, .radix = radix, .torus = group_.torus};
  *place = std::make_shared<const CompiledSchedule>(algorithm, position_of(rank_, shape, root));
  return *place;
}

}  // namespace tutti::detail
