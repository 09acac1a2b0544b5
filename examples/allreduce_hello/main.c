/* The same as main.cpp through the C interface. */
#include <stdio.h>

#include <tutti/tutti.h>

static int failed(const char* what) {
  fprintf(stderr, "%s: %s\n", what, tutti_error_text());
  MPI_Abort(MPI_COMM_WORLD, 1);
  return 1;
}

int main(int argc, char** argv) {
  const size_t count = 1000000;
  tutti_comm* comm = NULL;
  void* memory = NULL;
  float* gradient = NULL;
  size_t i = 0;

  MPI_Init(&argc, &argv);
  if (tutti_comm_create(MPI_COMM_WORLD, 60.0, &comm) != TUTTI_SUCCESS) return failed("tutti_comm_create");
  if (tutti_allocate(comm, count, TUTTI_F32, &memory) != TUTTI_SUCCESS) return failed("tutti_allocate");
  gradient = memory;
  for (i = 0; i < count; ++i) gradient[i] = (float)tutti_comm_rank(comm);

  if (tutti_allreduce(comm, gradient, count, TUTTI_F32, TUTTI_AVG) != TUTTI_SUCCESS) return failed("tutti_allreduce");

  if (tutti_comm_rank(comm) == 0) printf("%d ranks, average %g\n", tutti_comm_size(comm), gradient[0]);
  tutti_free(comm, memory);
  tutti_comm_free(comm);
  MPI_Finalize();
  return 0;
}
