// What every collective goes through: it is planned, or its plan remembered, and started by the engine of its plan.
//
// Engines are schedules step by step (schedule_task.hpp) or enqueued (queue_task.hpp), operations of several
// collectives (staged_task.hpp), and the memory of the node (node_task.hpp).
#pragma once

#include <cstdint>
#include <functional>
#include <memory>

#include <tutti/collectives/call/call.hpp>
#include <tutti/collectives/communicator.hpp>
#include <tutti/collectives/communicator/rank_group.hpp>
#include <tutti/collectives/engine/planning.hpp>
#include <tutti/collectives/engine/waiting_task.hpp>
#include <tutti/collectives/system/task.hpp>

namespace tutti::detail {

/// Checks the call and starts it under the next sequence number: by the row that is chosen, or where it
/// runs_in_node() in the memory of the node. \throws InvalidArgument, CommunicationError
std::unique_ptr<Task> start_collective(const Communicator& comm, AlgorithmTable table, Call&& call);

/// The same, and waits; in the memory of the node without a task of its own.
void run_collective(const Communicator& comm, AlgorithmTable table, Call&& call);

/// Checks and plans the call; what is returned starts it, each time under the next sequence number. Its options may be
/// forgotten. \throws InvalidArgument, CommunicationError
std::function<std::unique_ptr<Task>()> prepare_collective(const Communicator& comm, AlgorithmTable table, Call&& call);

/// Makes a collective in the memory of the node if every rank can, each of which says so; null: this one cannot. False
/// on every rank, with nothing done, if one cannot. The call of a rank that can is right, and runs_in_node(), whatever
/// rules say of calls like it. \throws CommunicationError
bool run_if_all_can(const Communicator& comm, const Call* call);

/// Lets a collective pass that other ranks may make by run_if_all_can(), and which then is made by none. Never waits.
/// \throws CommunicationError if the communicator is unusable.
void let_pass(const Communicator& comm);

/// The same as start_collective(), as a stage of an operation that took its sequence numbers before and advances its
/// stages itself. Among the ranks of `group`, which stays until the task is gone: ranks and size in the call are the
/// group's. Null if this rank is alone there: then all is done.
std::unique_ptr<WaitingTask> start_stage(const Communicator& comm, RankGroup& group, AlgorithmTable table, Call&& call,
                                         std::uint64_t sequence);

}  // namespace tutti::detail
