// Choosing and opening transports; see open_transport.hpp.
#include <algorithm>
#include <cstdlib>
#include <functional>
#include <string_view>
#include <utility>

#include <tutti/collectives/system/mpi_call.hpp>
#include <tutti/collectives/transport/mpi_transport.hpp>
#include <tutti/collectives/transport/open_transport.hpp>
#include <tutti/collectives/transport/routed_transport.hpp>
#ifdef TUTTI_HAVE_UCX
#include <tutti/collectives/transport/ucx_transport.hpp>
#endif
#include <tutti/kernels/error.hpp>
#include <tutti/kernels/text.hpp>

namespace tutti::detail {
namespace {

constexpr const char* kVariable = "TUTTI_TRANSPORT";

TransportKind require_built(TransportKind kind) {
  if (kind != TransportKind::mpi && kind != TransportKind::ucx) {
    throw InvalidArgument(text("Communicator: options.transport is ", static_cast<int>(kind), ", neither mpi nor ucx"));
  }
#ifndef TUTTI_HAVE_UCX
  if (kind == TransportKind::ucx) {
    throw InvalidArgument(
        "Communicator: the transport ucx is asked for, which is not built (CMake option TUTTI_UCX; Debian package "
        "libucx-dev)");
  }
#endif
  return kind;
}

}  // namespace

TransportKind wanted_transport(std::optional<TransportKind> option) {
  if (option) return require_built(*option);
  const char* value = std::getenv(kVariable);
  if (value == nullptr || value == std::string_view("mpi")) return TransportKind::mpi;
  if (value == std::string_view("ucx")) return require_built(TransportKind::ucx);
  throw InvalidArgument(text("Communicator: ", kVariable, " is '", value, "', neither mpi nor ucx"));
}

std::shared_ptr<Transport> open_transport(TransportKind kind, MPI_Comm comm, std::span<const int> node_by_rank,
                                          std::vector<bool> far) {
  auto mpi = std::make_unique<MpiTransport>(comm, std::move(far));
  const bool is_one_node =
      std::adjacent_find(node_by_rank.begin(), node_by_rank.end(), std::not_equal_to<>()) == node_by_rank.end();
  if (kind == TransportKind::mpi || is_one_node) return mpi;
#ifdef TUTTI_HAVE_UCX
  int rank = 0;
  check_mpi(MPI_Comm_rank(comm, &rank), "MPI_Comm_rank");
  const int own = node_by_rank[static_cast<std::size_t>(rank)];
  std::vector<bool> is_near;
  for (const int node : node_by_rank) is_near.push_back(node == own);
  return std::make_shared<RoutedTransport>(std::move(is_near), std::move(mpi), std::make_unique<UcxTransport>(comm));
#else
  throw InvalidArgument("Communicator: the transport ucx is not built");
#endif
}

std::string ucx_version() {
#ifdef TUTTI_HAVE_UCX
  return ucx_library_version();
#else
  return {};
#endif
}

}  // namespace tutti::detail
