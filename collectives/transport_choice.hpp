// Which transports a communicator gets: what its ranks ask for, by option or environment, and what is built.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include <tutti/collectives/communicator.hpp>
#include <tutti/collectives/transport.hpp>

namespace tutti::detail {

/// What a rank asks for. The last two are wrong, which all ranks have to learn: the environment may differ between
/// them.
enum class TransportRequest : std::uint8_t { mpi, ucx, ucx_not_built, unknown };

/// The option, or where it was left open TUTTI_TRANSPORT, or MPI. Local.
TransportRequest requested_transport(std::optional<TransportKind> option);

/// The transport that all ranks ask for, given what each does. Local.
/// \throws InvalidArgument on every rank unless all ask for the same, which is built.
TransportKind agreed_transport(std::span<const TransportRequest> by_rank);

/// Opens the transports of this kind for the ranks of `comm`, who have these nodes; `far` as for MpiTransport.
/// Collective. \throws CommunicationError on every rank if one of them cannot open its part.
std::shared_ptr<Transport> open_transport(TransportKind kind, MPI_Comm comm, std::span<const int> node_by_rank,
                                          std::vector<bool> far);

/// The version of the UCX that was built with and runs here; empty if there is none.
std::string ucx_version();

}  // namespace tutti::detail
