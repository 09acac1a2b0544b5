/* A program that ends MPI when its main function is over, in what it has set up for its end before MPI began; and whose
   children, of which MPI knows nothing, end as programs do. With `late` it calls when MPI is over, which MPI does not
   forgive. */
#include <sys/wait.h>
#include <unistd.h>

#include "program.h"

static void calls(MPI_Comm comm) {
  int one = 1;
  is_served(ALLREDUCE, comm, sizeof one);
  MPI_Allreduce(MPI_IN_PLACE, &one, 1, MPI_INT, MPI_SUM, comm);
  result("sum", &one, sizeof one);
}

static void last(void) {
  calls(MPI_COMM_WORLD);
  is_served(BARRIER, MPI_COMM_WORLD, 0);
  MPI_Barrier(MPI_COMM_WORLD);
  end();
}

int main(int argc, char** argv) {
  const pid_t own = getpid();
  MPI_Comm comm;
  (void)argc;
  if (argc == 1) atexit(last);
  MPI_Init(&argc, &argv);
  begin();
  MPI_Comm_dup(MPI_COMM_WORLD, &comm);
  calls(comm);
  MPI_Comm_free(&comm); /* what was counted of it, a child would tell too */
  if (argc == 2 && strcmp(argv[1], "late") == 0) {
    MPI_Finalize();
    return MPI_Barrier(MPI_COMM_WORLD);
  }
  if (argc == 2) {
    fflush(stdout);
    const pid_t child = fork();
    if (child == 0) exit(0);
    int status = 1;
    waitpid(child, &status, 0);
    check(status == 0 && getpid() == own, "a child fails");
    end();
  }
  return 0;
}
