/* Predefined communicators that one rank tries to free: MPI refuses, and all goes on; and those that are freed rightly,
   by either function. */
#include "program.h"

static int refused(int (*free_comm)(MPI_Comm*), MPI_Comm comm, const char* what) {
  int error_class = MPI_SUCCESS;
  MPI_Error_class(free_comm(&comm), &error_class);
  return check(error_class == MPI_ERR_COMM, what);
}

static void works(MPI_Comm comm) {
  int one = 1;
  is_served(ALLREDUCE, comm, sizeof one);
  MPI_Allreduce(MPI_IN_PLACE, &one, 1, MPI_INT, MPI_SUM, comm);
  result("sum", &one, sizeof one);
}

int main(int argc, char** argv) {
  MPI_Init(&argc, &argv);
  begin();
  int failed = 0;
  MPI_Comm_set_errhandler(MPI_COMM_WORLD, MPI_ERRORS_RETURN);
  MPI_Comm_set_errhandler(MPI_COMM_SELF, MPI_ERRORS_RETURN);
  works(MPI_COMM_WORLD);
  if (rank == size - 1) {
    failed += refused(MPI_Comm_free, MPI_COMM_WORLD, "the world can be freed");
#if defined(OPEN_MPI) /* MPICH 4.0.2 lets go of it, and fails in MPI_Finalize */
    failed += refused(MPI_Comm_disconnect, MPI_COMM_WORLD, "the world can be disconnected");
#endif
    failed += refused(MPI_Comm_free, MPI_COMM_NULL, "no communicator can be freed");
  }
  works(MPI_COMM_WORLD);
  for (int i = 0; i < 4; ++i) {
    MPI_Comm comm;
    MPI_Comm_dup(MPI_COMM_WORLD, &comm);
    works(comm);
    failed +=
        check((i % 2 == 0 ? MPI_Comm_free(&comm) : MPI_Comm_disconnect(&comm)) == MPI_SUCCESS, "it cannot be freed");
  }
  works(MPI_COMM_WORLD);
  end();
  return failed;
}
