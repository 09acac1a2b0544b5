// What ranks tell each other while a communicator is made; see bootstrap.hpp.
#include <tutti/collectives/system/mpi_call.hpp>
#include <tutti/collectives/transport/bootstrap.hpp>

namespace tutti::detail {
namespace {

int rank_in(MPI_Comm comm) {
  int rank = 0;
  check_mpi(MPI_Comm_rank(comm, &rank), "MPI_Comm_rank");
  return rank;
}

int size_of_comm(MPI_Comm comm) {
  int size = 1;
  check_mpi(MPI_Comm_size(comm, &size), "MPI_Comm_size");
  return size;
}

}  // namespace

MpiBootstrap::MpiBootstrap(MPI_Comm comm) : Bootstrap(rank_in(comm), size_of_comm(comm)), comm_(comm) {}

void MpiBootstrap::all_gather(const void* own, void* all, std::size_t bytes) {
  const int count = static_cast<int>(bytes);
  check_mpi(MPI_Allgather(own, count, MPI_BYTE, all, count, MPI_BYTE, comm_), "MPI_Allgather");
}

void MpiBootstrap::broadcast(void* data, std::size_t bytes, int root) {
  check_mpi(MPI_Bcast(data, static_cast<int>(bytes), MPI_BYTE, root, comm_), "MPI_Bcast");
}

}  // namespace tutti::detail
