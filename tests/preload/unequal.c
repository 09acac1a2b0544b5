/* Programs that are wrong: ranks that call one collective with counts on both sides of a size from which calls are
   served. They have to end as they do by MPI alone, with an error where that has one, and the next call is right. On
   more than two ranks, of which MPI may leave some waiting, only the last one's count differs. */
#include "program.h"

enum { kMost = 1000 };

static int is_truncated(int code) {
  int error_class = MPI_SUCCESS;
  if (code != MPI_SUCCESS) MPI_Error_class(code, &error_class);
  return error_class == MPI_ERR_TRUNCATE;
}

/* The next call is on a communicator of its own, since what is left of this one may lie in the way. */
static void bcast(MPI_Comm comm, int root, int count_of_root, int count_of_others) {
  int data[kMost] = {0};
  const int count = (size > 2 ? rank < size - 1 : rank == root) ? count_of_root : count_of_others;
  const int wrong = is_truncated(MPI_Bcast(data, count, MPI_INT, root, comm));
  passes(BCAST, (long)sizeof(int) * count);
  printf("rank %d: bcast of %d by rank %d: truncated %d\n", rank, count, root, wrong);
}

static void reduce(MPI_Comm comm, int root, int count_of_root, int count_of_others) {
  int data[kMost] = {0};
  int sums[kMost] = {0};
  const int count = rank == root ? count_of_root : count_of_others;
  const int wrong = is_truncated(MPI_Reduce(data, sums, count, MPI_INT, MPI_SUM, root, comm));
  passes(REDUCE, (long)sizeof(int) * count);
  printf("rank %d: reduce of %d to rank %d: truncated %d\n", rank, count, root, wrong);
}

static void sum(MPI_Comm comm) {
  int one = 1;
  is_served(ALLREDUCE, comm, sizeof one);
  MPI_Allreduce(MPI_IN_PLACE, &one, 1, MPI_INT, MPI_SUM, comm);
  printf("rank %d: sum %d\n", rank, one);
}

int main(int argc, char** argv) {
  static const struct {
    void (*call)(MPI_Comm, int, int, int);
    int root, count_of_root, count_of_others;
  } kCases[] = {
      {bcast, 0, 200, 100},  {bcast, 1, 200, 100},  {bcast, 0, 100, 200},  {bcast, 0, 200, 0},
      {bcast, 0, 1000, 127}, {reduce, 0, 100, 200}, {reduce, 1, 100, 200},
  };
  MPI_Init(&argc, &argv);
  begin();
  for (size_t i = 0; i < sizeof kCases / sizeof kCases[0]; ++i) {
    MPI_Comm comm;
    if (size > 2 && kCases[i].count_of_others != 0) continue;
    MPI_Comm_dup(MPI_COMM_WORLD, &comm);
    MPI_Comm_set_errhandler(comm, MPI_ERRORS_RETURN);
    for (int before = 0; before < 3; ++before) sum(comm);
    kCases[i].call(comm, kCases[i].root, kCases[i].count_of_root, kCases[i].count_of_others);
    for (int after = 0; after < 20; ++after) sum(comm);
    sum(MPI_COMM_WORLD);
  }
  end();
  return 0;
}
