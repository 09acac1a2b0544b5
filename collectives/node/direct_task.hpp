// Collectives of node-mates as operations of a communicator.
#pragma once

#include <functional>
#include <memory>

#include <tutti/collectives/call.hpp>
#include <tutti/collectives/communicator.hpp>
#include <tutti/collectives/communicator_state.hpp>
#include <tutti/collectives/group.hpp>
#include <tutti/collectives/node/node_mates.hpp>
#include <tutti/collectives/request.hpp>

namespace tutti::detail {

/// Whether the call is made in the memory of node-mates; every rank answers alike.
inline bool runs_directly(const Communicator& comm, const Call& call) noexcept {
  const CollectiveOptions& options = call.options;
  return comm.state().is_one_node() && options.algorithm.empty() && options.radix == 0 && options.segment_bytes == 0 &&
         !call.function && !call.is_counted_by_pair();
}

/// Checks the call, and starts it or waits until it is complete. \throws InvalidArgument, CommunicationError
std::unique_ptr<Task> start_direct(const Communicator& comm, Call&& call);
void run_direct(const Communicator& comm, const Call& call);

/// Checks the call; what is returned starts it. Its options may be forgotten. \throws InvalidArgument,
/// CommunicationError
std::function<std::unique_ptr<Task>()> prepare_direct(const Communicator& comm, const Call& call);

/// Makes a collective if every rank can, each of which says so; null: this one cannot. False on every rank, with
/// nothing done, if one cannot. The call of a rank that can is right, and runs_directly(). \throws CommunicationError
bool run_if_all_can(const Communicator& comm, const Call* call);

/// Lets a collective pass that other ranks may make by run_if_all_can(), and which then is made by none. Never waits.
/// \throws CommunicationError if the communicator is unusable.
void let_pass(const Communicator& comm);

/// A stage of an operation that took its numbers before and advances its stages itself: among the ranks of the node,
/// which are `group`. The call is right.
std::unique_ptr<Task> start_direct_stage(const Communicator& comm, const Group& group, Call&& call,
                                         std::uint64_t sequence, const Ticket& ticket);

}  // namespace tutti::detail
