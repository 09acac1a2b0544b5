// The interposed functions in which MPI begins and ends.
#include <mpi.h>

#include "allreduce/preload/counts.hpp"
#include "allreduce/preload/shadow.hpp"

extern "C" {

int MPI_Init(int* argc, char*** argv) {
  tutti::preload::require_own_library();
  const int code = PMPI_Init(argc, argv);
  if (code == MPI_SUCCESS) tutti::preload::start();
  return code;
}

int MPI_Init_thread(int* argc, char*** argv, int required, int* provided) {
  tutti::preload::require_own_library();
  const int code = PMPI_Init_thread(argc, argv, required, provided);
  if (code == MPI_SUCCESS) tutti::preload::start();
  return code;
}

int MPI_Finalize() {
  tutti::preload::stop();
  return PMPI_Finalize();
}

int MPI_Abort(MPI_Comm comm, int errorcode) {
  tutti::preload::print_report();
  return PMPI_Abort(comm, errorcode);
}

}  // extern "C"
