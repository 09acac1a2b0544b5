/* From which size on calls are served as the preload comes: those with a root where ranks share memory, or, with the
   argument "messages", all where they do not; with "none" no size is. */
#include <limits.h>

#include "program.h"

static char* data;
static char* all;

static void serve_from(int operation, long limit, long bytes) {
  if (bytes < limit) {
    passes(operation, bytes);
  } else {
    is_served(operation, MPI_COMM_WORLD, bytes);
  }
}

static void call_all(long bytes, long limit, long rooted_limit) {
  const int count = (int)(bytes / 4);
  serve_from(BCAST, rooted_limit, bytes);
  MPI_Bcast(data, (int)bytes, MPI_BYTE, 0, MPI_COMM_WORLD);
  result("bcast", data, (size_t)bytes);
  serve_from(REDUCE, rooted_limit, 4L * count);
  MPI_Reduce(data, all, count, MPI_INT, MPI_BOR, size - 1, MPI_COMM_WORLD);
  result("reduce", all, 4 * (size_t)count);
  serve_from(ALLREDUCE, limit, 4L * count);
  MPI_Allreduce(data, all, count, MPI_INT, MPI_MAX, MPI_COMM_WORLD);
  result("allreduce", all, 4 * (size_t)count);
  /* Of those that have a block for each rank all blocks count. */
  const int block = (int)(bytes / size);
  serve_from(ALLGATHER, limit, (long)block * size);
  MPI_Allgather(data, block, MPI_BYTE, all, block, MPI_BYTE, MPI_COMM_WORLD);
  result("allgather", all, (size_t)block * (size_t)size);
  serve_from(ALLTOALL, limit, (long)block * size);
  MPI_Alltoall(data, block, MPI_BYTE, all, block, MPI_BYTE, MPI_COMM_WORLD);
  result("alltoall", all, (size_t)block * (size_t)size);
}

int main(int argc, char** argv) {
  const int by_messages = argc > 1;
  const int at_all = !by_messages || strcmp(argv[1], "none") != 0;
  const long around = by_messages ? 262144 : 512;
  const long limit = !at_all ? LONG_MAX : by_messages ? around : 0;
  const long rooted_limit = !at_all ? LONG_MAX : around;
  MPI_Init(&argc, &argv);
  begin();
  data = numbers(300000, 2);
  all = calloc(300000, 1);
  for (long bytes = around - 4; bytes <= around + 4; bytes += 4) call_all(bytes, limit, rooted_limit);
  call_all(4L * size, limit, rooted_limit);
  if (by_messages) {
    passes(BARRIER, 0);
  } else {
    is_served(BARRIER, MPI_COMM_WORLD, 0);
  }
  MPI_Barrier(MPI_COMM_WORLD);
  free(data);
  free(all);
  end();
  return 0;
}
