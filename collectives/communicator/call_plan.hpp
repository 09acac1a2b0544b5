// How a call that has been found right runs, by whichever engine.
#pragma once

#include <cstdint>
#include <variant>

#include <tutti/collectives/call/plan_cache.hpp>
#include <tutti/collectives/node/node_plan.hpp>
#include <tutti/collectives/schedule/schedule.hpp>

namespace tutti::detail {

/// Where a rank is alone all is a copy.
struct AlonePlan {};

/// By a staged row of the table (selection/staged_algorithm.hpp).
struct StagedPlan {
  const Algorithm* algorithm = nullptr;
  int parts = 1;
  int row = 0;               ///< of the algorithm in its table
  std::uint32_t digest = 0;  ///< of the algorithm and the parts
};

/// A schedule is run step by step, or enqueued where the communicator only enqueues.
using CallPlan = std::variant<AlonePlan, SchedulePlan, StagedPlan, CachedNodePlan>;

}  // namespace tutti::detail
