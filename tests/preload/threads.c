/* MPI_THREAD_MULTIPLE: threads with a communicator each, which call collectives on it, make parts of it and free them,
   all at one time. */
#include <pthread.h>

#include "program.h"

enum { kThreads = 3, kRounds = 40 };

struct work {
  pthread_t thread;
  MPI_Comm comm;
  int number;
  int failed;
};

static void* work_on(void* argument) {
  struct work* own = argument;
  enum { kCount = 3000 };
  int data[kCount];
  for (int round = 0; round < kRounds; ++round) {
    const int count = round % 3 == 0 ? kCount : 1 + round;
    for (int i = 0; i < count; ++i) data[i] = rank + i * own->number;
    MPI_Allreduce(MPI_IN_PLACE, data, count, MPI_INT, MPI_SUM, own->comm);
    for (int i = 0; i < count; ++i) {
      if (data[i] != size * (size - 1) / 2 + size * i * own->number) own->failed = 1;
    }
    data[0] = rank * 100 + own->number;
    MPI_Bcast(data, 1, MPI_INT, round % size, own->comm);
    if (data[0] != round % size * 100 + own->number) own->failed = 1;
    MPI_Barrier(own->comm);
    if (round % 10 != 0) continue;
    MPI_Comm part;
    MPI_Comm_split(own->comm, 0, -rank, &part);
    data[0] = 1;
    MPI_Allreduce(MPI_IN_PLACE, data, 1, MPI_INT, MPI_SUM, part);
    if (data[0] != size) own->failed = 1;
    MPI_Comm_free(&part);
  }
  return NULL;
}

int main(int argc, char** argv) {
  int provided = 0;
  MPI_Init_thread(&argc, &argv, MPI_THREAD_MULTIPLE, &provided);
  begin();
  int failed = check(provided == MPI_THREAD_MULTIPLE, "no threads");
  struct work all[kThreads];
  for (int i = 0; i < kThreads; ++i) {
    all[i] = (struct work){.number = i + 1};
    MPI_Comm_dup(MPI_COMM_WORLD, &all[i].comm);
  }
  for (int i = 0; i < kThreads; ++i) pthread_create(&all[i].thread, NULL, work_on, &all[i]);
  for (int i = 0; i < kThreads; ++i) {
    pthread_join(all[i].thread, NULL);
    failed += check(all[i].failed == 0, "a thread has wrong results");
    MPI_Comm_free(&all[i].comm);
    for (int round = 0; round < kRounds; ++round) {
      is_served(ALLREDUCE, MPI_COMM_WORLD, (long)sizeof(int) * (round % 3 == 0 ? 3000 : 1 + round));
      is_served(BCAST, MPI_COMM_WORLD, sizeof(int));
      is_served(BARRIER, MPI_COMM_WORLD, 0);
      if (round % 10 == 0) is_served(ALLREDUCE, MPI_COMM_WORLD, sizeof(int));
    }
  }
  end();
  return failed;
}
