#include "tools/world.hpp"

#include <tutti/collectives/inspect/mpi.hpp>
#include <tutti/collectives/session.hpp>
#include <tutti/kernels/error.hpp>
#include <tutti/kernels/text.hpp>

#include "tools/command_line.hpp"

namespace tutti::tools {

void run_on_all_ranks(const CommunicatorOptions& options, const std::function<void(const Communicator&)>& body) {
  const Session session(nullptr, nullptr);
  try {
    const Communicator world(MPI_COMM_WORLD, options);
    body(world);
  } catch (const InvalidArgument& error) {
    if (launched_rank() == 0) print_error(error.what());
    throw Reported(error.what());
  } catch (const std::exception& error) {
    print_error(text("rank ", launched_rank(), ": ", error.what()));
    MPI_Abort(MPI_COMM_WORLD, 1);
  }
}

void meet_before_exit() {
  if (launched_ranks() == 1) return;
  const Session session(nullptr, nullptr);
}

void fail_together(const Communicator& comm, const std::optional<std::string>& problem) {
  const int mine = problem ? comm.rank() : comm.size();
  int first = comm.size();
  detail::check_mpi(MPI_Allreduce(&mine, &first, 1, MPI_INT, MPI_MIN, comm.mpi()), "MPI_Allreduce");
  if (first == comm.size()) return;
  int length = problem ? static_cast<int>(problem->size()) : 0;
  detail::check_mpi(MPI_Bcast(&length, 1, MPI_INT, first, comm.mpi()), "MPI_Bcast");
  std::string message = comm.rank() == first ? *problem : std::string(static_cast<std::size_t>(length), ' ');
  detail::check_mpi(MPI_Bcast(message.data(), length, MPI_CHAR, first, comm.mpi()), "MPI_Bcast");
  throw InvalidArgument(message);
}

}  // namespace tutti::tools
