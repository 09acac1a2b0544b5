// Deciding together whether a call is served.
#pragma once

#include <tutti/collectives/call/call.hpp>
#include <tutti/collectives/communicator.hpp>

namespace tutti::preload {

/// Makes the call if all ranks can; a rank that cannot gives null. False on every rank, with nothing done, if one
/// cannot. Collective. \throws CommunicationError
bool run_if_all_can(const Communicator& comm, const detail::Call* call);

/// This rank makes a call by MPI without asking the others. Where ranks share memory, those that ask learn of it, and
/// then none makes it; elsewhere all must do the same. Never waits. \throws CommunicationError
void let_pass(const Communicator& comm);

}  // namespace tutti::preload
