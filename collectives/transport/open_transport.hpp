// Which transports a communicator gets: what is asked for, by option or environment, and what is built. That all ranks
// ask for the same is seen to in creation_check.hpp.
#pragma once

#include <mpi.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include <tutti/collectives/options.hpp>
#include <tutti/collectives/transport/transport.hpp>

namespace tutti::detail {

/// The option, or where it was left open TUTTI_TRANSPORT, or MPI. Local. \throws InvalidArgument if that is no
/// transport, or not built.
TransportKind wanted_transport(std::optional<TransportKind> option);

/// Opens the transports of this kind for the ranks of `comm`, who have these nodes; `far` as for MpiTransport.
/// Collective. \throws CommunicationError on every rank if one of them cannot open its part.
std::shared_ptr<Transport> open_transport(TransportKind kind, MPI_Comm comm, std::span<const int> node_by_rank,
                                          std::vector<bool> far);

/// The version of the UCX that was built with and runs here; empty if there is none.
std::string ucx_version();

}  // namespace tutti::detail
