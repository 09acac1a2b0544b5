// Ranks that run a collective among themselves: all of a communicator, or some for a stage of a hierarchical one.
#pragma once

#include <utility>
#include <vector>

#include <tutti/collectives/choice.hpp>
#include <tutti/collectives/compiled_schedule.hpp>
#include <tutti/collectives/way.hpp>

namespace tutti::detail {

/// Numbers 0 to size-1 stand for ranks of a communicator, in rank order. Its messages are the communicator's: groups
/// that run collectives under one sequence number at once must not overlap.
class Group {
 public:
  /// All ranks.
  Group(int size, int rank, const TransportCosts& costs, const Surroundings& where)
      : size_(size), number_(rank), chooser_(size, costs, where), schedules_(rank, chooser_.shape()) {}

  /// `members` in rising order, with this rank at place `number`.
  Group(std::vector<int> members, int number, const TransportCosts& costs, const Surroundings& where = {})
      : members_(std::move(members)),
        size_(static_cast<int>(members_.size())),
        number_(number),
        chooser_(size_, costs, where),
        schedules_(number, chooser_.shape()) {}

  int size() const noexcept { return size_; }

  /// This rank's number, and the rank that a number stands for.
  int number() const noexcept { return number_; }
  int rank_of(int number) const noexcept {
    return members_.empty() ? number : members_[static_cast<std::size_t>(number)];
  }

  Chooser& chooser() noexcept { return chooser_; }
  ScheduleStore& schedules() noexcept { return schedules_; }
  WayStore& ways() noexcept { return ways_; }

 private:
  std::vector<int> members_;  // empty: all
  int size_;
  int number_;
  Chooser chooser_;
  ScheduleStore schedules_;
  WayStore ways_;
};

}  // namespace tutti::detail
