// Collectives of local ranks as operations of a communicator.
#pragma once

#include <cstdint>
#include <memory>

#include <tutti/collectives/call/call.hpp>
#include <tutti/collectives/communicator.hpp>
#include <tutti/collectives/communicator/communicator_state.hpp>
#include <tutti/collectives/communicator/rank_group.hpp>
#include <tutti/collectives/engine/waiting_task.hpp>
#include <tutti/collectives/node/local_ranks.hpp>
#include <tutti/collectives/node/node_plan.hpp>

namespace tutti::detail {

/// Whether the call is made in the memory of local ranks; every rank answers alike.
inline bool runs_in_node(const Communicator& comm, const Call& call) noexcept {
  const CollectiveOptions& options = call.options;
  return comm.state().is_one_node() && options.algorithm.empty() && options.radix == 0 && options.segment_bytes == 0 &&
         !call.function && !call.is_counted_by_pair();
}

/// How a call that is right is made there.
CachedNodePlan plan_node_call(const Communicator& comm, const Call& call) noexcept;

/// Starts the call under its number, or waits until it is complete, without a task of its own. \throws
/// CommunicationError
std::unique_ptr<WaitingTask> start_in_node(const Communicator& comm, Call&& call, const CachedNodePlan& plan,
                                           std::uint64_t sequence);
void run_in_node(const Communicator& comm, const Call& call, const CachedNodePlan& plan, std::uint64_t sequence);

/// The same where every rank says whether it can; false on every rank, with nothing done, if one cannot.
bool run_in_node_if_all_can(const Communicator& comm, const Call& call, const CachedNodePlan& plan,
                            std::uint64_t sequence, bool can);

/// A stage of an operation that took its numbers before and advances its stages itself: among the ranks of the node,
/// which are `group`. The call is right.
std::unique_ptr<WaitingTask> start_node_stage(const Communicator& comm, const RankGroup& group, Call&& call,
                                              std::uint64_t sequence, const ReservedSlot& slot);

}  // namespace tutti::detail
