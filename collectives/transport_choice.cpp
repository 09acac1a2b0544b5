// Choosing and opening transports; see transport_choice.hpp.
#include <algorithm>
#include <cstdlib>
#include <functional>
#include <string_view>
#include <utility>

#include <tutti/collectives/mpi_call.hpp>
#include <tutti/collectives/mpi_transport.hpp>
#include <tutti/collectives/routed_transport.hpp>
#include <tutti/collectives/transport_choice.hpp>
#ifdef TUTTI_HAVE_UCX
#include <tutti/collectives/ucx_transport.hpp>
#endif
#include <tutti/kernels/error.hpp>

namespace tutti::detail {
namespace {

constexpr const char* kVariable = "TUTTI_TRANSPORT";

TransportRequest as_request(TransportKind kind) {
  if (kind == TransportKind::mpi) return TransportRequest::mpi;
  if (kind != TransportKind::ucx) return TransportRequest::unknown;
#ifdef TUTTI_HAVE_UCX
  return TransportRequest::ucx;
#else
  return TransportRequest::ucx_not_built;
#endif
}

/// The first rank that is wrong tells what is wrong with it.
[[noreturn]] void throw_wrong(int rank, TransportRequest request) {
  if (request == TransportRequest::ucx_not_built) {
    throw InvalidArgument(
        text("Communicator: rank ", rank,
             " asks for the transport ucx, which is not built (CMake option TUTTI_UCX; Debian package "
             "libucx-dev)"));
  }
  const char* value = std::getenv(kVariable);
  throw InvalidArgument(text("Communicator: the transport of rank ", rank, " (option, or ", kVariable,
                             " in its environment) is neither mpi nor ucx", value == nullptr ? "" : "; here it is '",
                             value == nullptr ? "" : value, value == nullptr ? "" : "'"));
}

}  // namespace

TransportRequest requested_transport(std::optional<TransportKind> option) {
  if (option) return as_request(*option);
  const char* value = std::getenv(kVariable);
  if (value == nullptr || value == std::string_view("mpi")) return TransportRequest::mpi;
  if (value == std::string_view("ucx")) return as_request(TransportKind::ucx);
  return TransportRequest::unknown;
}

TransportKind agreed_transport(std::span<const TransportRequest> by_rank) {
  const auto is_right = [](TransportRequest r) { return r == TransportRequest::mpi || r == TransportRequest::ucx; };
  const auto wrong = std::find_if_not(by_rank.begin(), by_rank.end(), is_right);
  if (wrong != by_rank.end()) throw_wrong(static_cast<int>(wrong - by_rank.begin()), *wrong);
  const auto other =
      std::find_if(by_rank.begin(), by_rank.end(), [&](TransportRequest r) { return r != by_rank.front(); });
  if (other != by_rank.end()) {
    const bool first_is_ucx = by_rank.front() == TransportRequest::ucx;
    throw InvalidArgument(text("Communicator: rank 0 asks for the transport ", first_is_ucx ? "ucx" : "mpi", ", rank ",
                               other - by_rank.begin(), " for ", first_is_ucx ? "mpi" : "ucx", ": option or ",
                               kVariable, " must be the same on all (mpirun -x ", kVariable, ")"));
  }
  return by_rank.front() == TransportRequest::ucx ? TransportKind::ucx : TransportKind::mpi;
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
