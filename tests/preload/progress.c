/* A rank that waits in a collective lets its peer's message through, without which the peer would not come: in both
   directions, with every kind of collective, and with messages that need their receiver's help. */
#include "program.h"

enum { kBytes = 40000 };

static char* data;
static char* all;

static void collective(int which) {
  switch (which) {
    case 0:
      is_served(ALLREDUCE, MPI_COMM_WORLD, 8);
      MPI_Allreduce(MPI_IN_PLACE, data, 2, MPI_INT, MPI_MAX, MPI_COMM_WORLD);
      break;
    case 1:
      is_served(ALLREDUCE, MPI_COMM_WORLD, kBytes);
      MPI_Allreduce(MPI_IN_PLACE, data, kBytes / 4, MPI_INT, MPI_MAX, MPI_COMM_WORLD);
      break;
    case 2:
      is_served(BARRIER, MPI_COMM_WORLD, 0);
      MPI_Barrier(MPI_COMM_WORLD);
      break;
    default:
      is_served(ALLGATHER, MPI_COMM_WORLD, (long)kBytes * size);
      MPI_Allgather(data, kBytes, MPI_BYTE, all, kBytes, MPI_BYTE, MPI_COMM_WORLD);
      break;
  }
}

/* The rank that receives enters the collective first, the one that sends cannot before its message is taken. */
static void exchange(int receiver, int sender, int bytes, int which, int synchronous) {
  MPI_Request request = MPI_REQUEST_NULL;
  char* message = numbers((size_t)bytes, which);
  if (rank == receiver) MPI_Irecv(message, bytes, MPI_BYTE, sender, 5, MPI_COMM_WORLD, &request);
  if (rank == sender && synchronous) MPI_Ssend(message, bytes, MPI_BYTE, receiver, 5, MPI_COMM_WORLD);
  if (rank == sender && !synchronous) MPI_Send(message, bytes, MPI_BYTE, receiver, 5, MPI_COMM_WORLD);
  collective(which);
  MPI_Wait(&request, MPI_STATUS_IGNORE);
  result("message", message, (size_t)bytes);
  free(message);
}

int main(int argc, char** argv) {
  MPI_Init(&argc, &argv);
  begin();
  data = numbers(kBytes, 9);
  all = calloc((size_t)size, kBytes);
  for (int which = 0; which < 4; ++which) {
    for (int bytes = 8; bytes <= 80000; bytes *= 100) {
      exchange(0, size - 1, bytes, which, 0);
      exchange(size - 1, 0, bytes, which, 0);
      exchange(0, size - 1, bytes, which, 1);
    }
  }
  result("data", data, kBytes);
  free(data);
  free(all);
  end();
  return 0;
}
