/* Counts, by counting.c, what is called beside the program's own calls. With `made` it is preloaded after tutti, and
   sees how many communicators there are; with `seen` before it, and sees what the program calls. Prints what is wrong.
 */
#define _GNU_SOURCE
#include <dlfcn.h>

#include "program.h"

typedef long (*Counted)(int (*same)(const char* name));

static int is_made(const char* name) { return strncmp(name, "PMPI_Comm_", 10) == 0; }
static int is_called(const char* name) { return name[0] == 'M'; }

/* Communicators that are made and freed, with some calls on each, cost no other ones; nor do those that are served. */
static int made(Counted counted) {
  enum { kRounds = 20 };
  const long before = counted(is_made);
  long own = 0;
  MPI_Group world;
  MPI_Comm_group(MPI_COMM_WORLD, &world);
  for (int i = 0; i < kRounds; ++i) {
    MPI_Comm comms[5];
    MPI_Comm_dup(MPI_COMM_WORLD, &comms[0]);
    MPI_Comm_split(MPI_COMM_WORLD, 0, -rank, &comms[1]);
    MPI_Comm_split_type(MPI_COMM_WORLD, MPI_COMM_TYPE_SHARED, 0, MPI_INFO_NULL, &comms[2]);
    MPI_Comm_create(MPI_COMM_WORLD, world, &comms[3]);
    MPI_Comm_create_group(MPI_COMM_WORLD, world, 3, &comms[4]);
    own += 5;
    for (int c = 0; c < 5; ++c) {
      for (int call = 0; call < (i == 0 ? 100 : i % 3); ++call) MPI_Barrier(comms[c]);
      MPI_Comm_free(&comms[c]);
    }
  }
  MPI_Group_free(&world);
  const long others = counted(is_made) - before - own;
  if (others != 0) printf("rank %d: %ld communicators are made beside the program's %ld\n", rank, others, own);
  return others != 0 || own == 0;
}

static int seen(Counted counted, long own) {
  MPI_Comm comm;
  MPI_Comm_dup(MPI_COMM_WORLD, &comm);
  ++own;
  for (int i = 0; i < 40; ++i) {
    double one = 1;
    MPI_Allreduce(MPI_IN_PLACE, &one, 1, MPI_DOUBLE, MPI_SUM, comm);
    MPI_Barrier(MPI_COMM_WORLD);
    own += 2;
  }
  MPI_Comm_free(&comm);
  if (counted(is_called) == own) return 0;
  printf("rank %d: %ld calls are seen, and the program made %ld\n", rank, counted(is_called), own);
  return 1;
}

int main(int argc, char** argv) {
  if (argc != 2) return 2;
  MPI_Init(&argc, &argv);
  begin();
  const long by_begin = 2; /* MPI_Comm_rank, MPI_Comm_size */
  const Counted counted = (Counted)dlsym(RTLD_DEFAULT, "counted");
  int failed = 1;
  if (counted == NULL) {
    printf("rank %d: the library that counts is not there\n", rank);
  } else {
    failed = strcmp(argv[1], "made") == 0 ? made(counted) : seen(counted, by_begin);
  }
  MPI_Finalize();
  return failed;
}
