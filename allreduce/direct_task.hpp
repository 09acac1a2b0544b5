// The allreduce of node-mates as an operation of a communicator.
#pragma once

#include <memory>

#include <tutti/collectives/call.hpp>
#include <tutti/collectives/communicator.hpp>
#include <tutti/collectives/operation.hpp>

namespace tutti::detail {

/// Whether the call is made in the memory of node-mates; every rank answers alike.
bool runs_directly(const Communicator& comm, const Call& call) noexcept;

/// \throws InvalidArgument, and tells the other ranks, if the call is wrong.
void require_right(const Communicator& comm, const Call& call);

/// Checks the call, and starts it or waits until it is complete. \throws InvalidArgument, CommunicationError
std::unique_ptr<Task> start_direct(const Communicator& comm, const Call& call);
void run_direct(const Communicator& comm, const Call& call);

}  // namespace tutti::detail
