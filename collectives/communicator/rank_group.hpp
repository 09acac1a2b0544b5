// Ranks that run a collective among themselves: all of a communicator, or some for a stage of a hierarchical one.
#pragma once

#include <utility>
#include <vector>

#include <tutti/collectives/call/plan_cache.hpp>
#include <tutti/collectives/communicator/call_plan.hpp>
#include <tutti/collectives/schedule/compiled_schedule.hpp>
#include <tutti/collectives/selection/selection.hpp>

namespace tutti::detail {

/// Numbers 0 to size-1 stand for ranks of a communicator, in rank order. Its messages are the communicator's: groups
/// that run collectives under one sequence number at once must not overlap.
class RankGroup {
 public:
  /// All ranks.
  RankGroup(int size, int rank, const TransportCosts& costs, const CostContext& where)
      : size_(size), number_(rank), selector_(size, costs, where), schedules_(rank, selector_.shape()) {}

  /// `members` in rising order, with this rank at place `number`.
  RankGroup(std::vector<int> members, int number, const TransportCosts& costs, const CostContext& where = {})
      : members_(std::move(members)),
        size_(static_cast<int>(members_.size())),
        number_(number),
        selector_(size_, costs, where),
        schedules_(number, selector_.shape()) {}

  int size() const noexcept { return size_; }

  /// This rank's number, and the rank that a number stands for.
  int number() const noexcept { return number_; }
  int rank_of(int number) const noexcept {
    return members_.empty() ? number : members_[static_cast<std::size_t>(number)];
  }

  Selector& selector() noexcept { return selector_; }
  ScheduleStore& schedules() noexcept { return schedules_; }
  /// How recent kinds of calls run.
  PlanCache<CallPlan>& plans() noexcept { return plans_; }

 private:
  std::vector<int> members_;  // empty: all
  int size_;
  int number_;
  Selector selector_;
  ScheduleStore schedules_;
  PlanCache<CallPlan> plans_;
};

}  // namespace tutti::detail
