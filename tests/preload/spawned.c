/* Children that the program starts, without the preload, and that become one communicator with their parents. The
   program named by the first argument is the child too. */
#include "program.h"

static void sum(MPI_Comm comm, const char* who) {
  for (int i = 0; i < 30; ++i) {
    int one = 1;
    MPI_Allreduce(MPI_IN_PLACE, &one, 1, MPI_INT, MPI_SUM, comm);
    if (i == 29) printf("%s: sum %d\n", who, one);
  }
}

int main(int argc, char** argv) {
  MPI_Comm other;
  MPI_Comm both;
  MPI_Init(&argc, &argv);
  MPI_Comm_get_parent(&other);
  const int is_child = other != MPI_COMM_NULL;
  if (!is_child) {
    char* arguments[] = {"-u", "LD_PRELOAD", argv[0], NULL};
    begin();
    MPI_Comm_spawn("env", arguments, 2, MPI_INFO_NULL, 0, MPI_COMM_WORLD, &other, MPI_ERRCODES_IGNORE);
  }
  MPI_Intercomm_merge(other, is_child, &both);
  sum(both, is_child ? "child" : "parent");
  MPI_Comm_free(&both);
  if (!is_child) {
    for (int i = 0; i < 30; ++i) passes(ALLREDUCE, sizeof(int));
  }
  MPI_Comm_disconnect(&other);
  if (is_child) return MPI_Finalize();
  end();
  return 0;
}
