// MPI's lifetime; see session.hpp.
#include <mpi.h>

#include <tutti/collectives/mpi_call.hpp>
#include <tutti/collectives/session.hpp>

namespace tutti {

Session::Session(int* argc, char*** argv) {
  int initialized = 0;
  MPI_Initialized(&initialized);
  if (initialized != 0) return;
  int provided = 0;
  detail::check_mpi(MPI_Init_thread(argc, argv, MPI_THREAD_FUNNELED, &provided), "MPI_Init_thread");
  owner_ = true;
}

Session::~Session() {
  int finalized = 0;
  MPI_Finalized(&finalized);
  if (owner_ && finalized == 0) MPI_Finalize();
}

}  // namespace tutti
