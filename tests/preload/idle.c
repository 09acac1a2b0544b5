/* More ranks than processors, of which all but one wait for that one in a collective: they leave it the processors. */
#define _GNU_SOURCE
#include <sched.h>
#include <sys/resource.h>
#include <unistd.h>

#include "program.h"

static double seconds(struct timeval time) { return (double)time.tv_sec + 1e-6 * (double)time.tv_usec; }

static double used(void) {
  struct rusage usage;
  getrusage(RUSAGE_SELF, &usage);
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

/* However many processors the machine has, these ranks have two of them. */
static void share_processors(void) {
  cpu_set_t all;
  cpu_set_t two;
  CPU_ZERO(&two);
  sched_getaffinity(0, sizeof all, &all);
  for (int cpu = 0; cpu < CPU_SETSIZE && CPU_COUNT(&two) < 2; ++cpu) {
    if (CPU_ISSET(cpu, &all)) CPU_SET(cpu, &two);
  }
  sched_setaffinity(0, sizeof two, &two);
}

int main(int argc, char** argv) {
  share_processors();
  MPI_Init(&argc, &argv);
  begin();
  is_served(BARRIER, MPI_COMM_WORLD, 0);
  MPI_Barrier(MPI_COMM_WORLD);
  const double begin_of_wait = MPI_Wtime();
  const double before = used();
  if (rank == 0) usleep(1000000);
  is_served(BARRIER, MPI_COMM_WORLD, 0);
  MPI_Barrier(MPI_COMM_WORLD);
  double all = used() - before;
  const double waited = MPI_Wtime() - begin_of_wait;
  PMPI_Allreduce(MPI_IN_PLACE, &all, 1, MPI_DOUBLE, MPI_SUM, MPI_COMM_WORLD);
  const int failed = check(all < 0.12 * waited, "who waits takes processors");
  if (failed != 0) printf("rank %d: failed: %.3f s of processors in %.3f s\n", rank, all, waited);
  end();
  return failed;
}
