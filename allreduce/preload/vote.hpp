// Deciding together whether a call is served.
#pragma once

#include <tutti/collectives/call.hpp>
#include <tutti/collectives/communicator.hpp>

namespace tutti::preload {

/// Makes the call if all ranks can; a rank that cannot gives null. False on every rank, with nothing done, if one
/// cannot. Collective. \throws CommunicationError
bool run_if_all_can(const Communicator& comm, const detail::Call* call);

}  // namespace tutti::preload
