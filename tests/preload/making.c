/* MPI_THREAD_MULTIPLE: threads that make communicators of the same ones, use them and free them, all at one time, as a
   program may that gives each thread a tag of its own, or a parent. */
#include <pthread.h>

#include "program.h"

enum { kThreads = 2, kDups = 60, kGroups = 10 };

struct work {
  pthread_t thread;
  MPI_Comm parent;
  int number;
  int failed;
};

static void use_and_free(struct work* own, MPI_Comm* comm) {
  int one = 1;
  int ranks = 0;
  MPI_Comm_size(*comm, &ranks);
  MPI_Allreduce(MPI_IN_PLACE, &one, 1, MPI_INT, MPI_SUM, *comm);
  if (one != ranks) own->failed = 1;
  MPI_Comm_free(comm);
}

static void* dups(void* argument) {
  struct work* own = argument;
  for (int i = 0; i < kDups; ++i) {
    MPI_Comm comm;
    MPI_Comm_dup(own->parent, &comm);
    use_and_free(own, &comm);
  }
  return NULL;
}

static void* groups(void* argument) {
  struct work* own = argument;
  MPI_Group world;
  MPI_Group half;
  MPI_Comm comm;
  int range[1][3] = {{0, size / 2, 1}};
  MPI_Comm_group(MPI_COMM_WORLD, &world);
  MPI_Group_range_incl(world, 1, range, &half);
  for (int i = 0; i < kGroups; ++i) {
    if (rank <= size / 2) {
      MPI_Comm_create_group(MPI_COMM_WORLD, half, own->number, &comm);
      use_and_free(own, &comm);
    }
    MPI_Comm_create_group(MPI_COMM_WORLD, world, own->number, &comm);
    use_and_free(own, &comm);
  }
  MPI_Group_free(&half);
  MPI_Group_free(&world);
  return NULL;
}

static int run(void* (*work_on)(void*), const char* what) {
  struct work all[kThreads];
  int failed = 0;
  for (int i = 0; i < kThreads; ++i) {
    all[i] = (struct work){.number = i + 1};
    MPI_Comm_dup(MPI_COMM_WORLD, &all[i].parent);
  }
  for (int i = 0; i < kThreads; ++i) pthread_create(&all[i].thread, NULL, work_on, &all[i]);
  for (int i = 0; i < kThreads; ++i) {
    pthread_join(all[i].thread, NULL);
    failed += check(all[i].failed == 0, what);
    MPI_Comm_free(&all[i].parent);
  }
  return failed;
}

int main(int argc, char** argv) {
  int provided = 0;
  MPI_Init_thread(&argc, &argv, MPI_THREAD_MULTIPLE, &provided);
  begin();
  int failed = check(provided == MPI_THREAD_MULTIPLE, "no threads");
  failed += run(dups, "wrong results on copies") + run(groups, "wrong results in groups");
  for (int i = 0; i < kThreads * kDups; ++i) passes(ALLREDUCE, sizeof(int));
  for (int i = 0; i < kThreads * kGroups; ++i) {
    passes(ALLREDUCE, sizeof(int));
    if (rank <= size / 2) passes(ALLREDUCE, sizeof(int));
  }
  end();
  return failed;
}
