// Collectives of local ranks as operations of a communicator.
#pragma once

#include <functional>
#include <memory>

#include <tutti/collectives/call/call.hpp>
#include <tutti/collectives/call/rank_group.hpp>
#include <tutti/collectives/communicator.hpp>
#include <tutti/collectives/communicator/communicator_state.hpp>
#include <tutti/collectives/engine/waiting_task.hpp>
#include <tutti/collectives/node/local_ranks.hpp>
#include <tutti/collectives/system/task.hpp>

namespace tutti::detail {

/// Whether the call is made in the memory of local ranks; every rank answers alike.
inline bool runs_in_node(const Communicator& comm, const Call& call) noexcept {
  const CollectiveOptions& options = call.options;
  return comm.state().is_one_node() && options.algorithm.empty() && options.radix == 0 && options.segment_bytes == 0 &&
         !call.function && !call.is_counted_by_pair();
}

/// Checks the call, and starts it or waits until it is complete. \throws InvalidArgument, CommunicationError
std::unique_ptr<Task> start_in_node(const Communicator& comm, Call&& call);
void run_in_node(const Communicator& comm, const Call& call);

/// Checks the call; what is returned starts it. Its options may be forgotten. \throws InvalidArgument,
/// CommunicationError
std::function<std::unique_ptr<Task>()> prepare_in_node(const Communicator& comm, const Call& call);

/// Makes a collective if every rank can, each of which says so; null: this one cannot. False on every rank, with
/// nothing done, if one cannot. The call of a rank that can is right, and runs_in_node(). \throws CommunicationError
bool run_if_all_can(const Communicator& comm, const Call* call);

/// Lets a collective pass that other ranks may make by run_if_all_can(), and which then is made by none. Never waits.
/// \throws CommunicationError if the communicator is unusable.
void let_pass(const Communicator& comm);

/// A stage of an operation that took its numbers before and advances its stages itself: among the ranks of the node,
/// which are `group`. The call is right.
std::unique_ptr<WaitingTask> start_node_stage(const Communicator& comm, const RankGroup& group, Call&& call,
                                              std::uint64_t sequence, const ReservedSlot& slot);

}  // namespace tutti::detail
