/* A library that is preloaded beside tutti's, as those are that watch what a program calls. Before it, it counts what
   is called by MPI's names; whoever is preloaded where, it counts the communicators that are made by PMPI_ names. The
   program asks for both by counted(). */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <mpi.h>
#include <stdlib.h>

enum { kNames = 64 };
static struct {
  const char* name;
  long calls;
} seen[kNames];

static void count(const char* name) {
  for (int i = 0; i < kNames; ++i) {
    if (seen[i].name == NULL) seen[i].name = name;
    if (seen[i].name != name) continue;
    __atomic_fetch_add(&seen[i].calls, 1, __ATOMIC_RELAXED);
    return;
  }
  abort();
}

__attribute__((visibility("default"))) long counted(int (*same)(const char* name)) {
  long calls = 0;
  for (int i = 0; i < kNames && seen[i].name != NULL; ++i) {
    if (same(seen[i].name)) calls += seen[i].calls;
  }
  return calls;
}

static void* next(const char* name) {
  void* const function = dlsym(RTLD_NEXT, name);
  if (function == NULL) abort();
  return function;
}

/* Calls what comes next under the same name, which may be tutti's. */
#define COUNTED(NAME, PARAMETERS, ARGUMENTS)                          \
  __attribute__((visibility("default"))) int NAME PARAMETERS {        \
    static const char kName[] = #NAME;                                \
    int(*const function) PARAMETERS = (int(*) PARAMETERS)next(kName); \
    count(kName);                                                     \
    return function ARGUMENTS;                                        \
  }

COUNTED(MPI_Allreduce, (const void* a, void* b, int c, MPI_Datatype d, MPI_Op e, MPI_Comm f), (a, b, c, d, e, f))
COUNTED(MPI_Allgather, (const void* a, int b, MPI_Datatype c, void* d, int e, MPI_Datatype f, MPI_Comm g),
        (a, b, c, d, e, f, g))
COUNTED(MPI_Bcast, (void* a, int b, MPI_Datatype c, int d, MPI_Comm e), (a, b, c, d, e))
COUNTED(MPI_Barrier, (MPI_Comm a), (a))
COUNTED(MPI_Comm_dup, (MPI_Comm a, MPI_Comm* b), (a, b))
COUNTED(MPI_Comm_split, (MPI_Comm a, int b, int c, MPI_Comm* d), (a, b, c, d))
COUNTED(MPI_Comm_split_type, (MPI_Comm a, int b, int c, MPI_Info d, MPI_Comm* e), (a, b, c, d, e))
COUNTED(MPI_Comm_rank, (MPI_Comm a, int* b), (a, b))
COUNTED(MPI_Comm_size, (MPI_Comm a, int* b), (a, b))
COUNTED(MPI_Comm_set_errhandler, (MPI_Comm a, MPI_Errhandler b), (a, b))
COUNTED(MPI_Comm_test_inter, (MPI_Comm a, int* b), (a, b))
COUNTED(MPI_Isend, (const void* a, int b, MPI_Datatype c, int d, int e, MPI_Comm f, MPI_Request* g),
        (a, b, c, d, e, f, g))
COUNTED(MPI_Irecv, (void* a, int b, MPI_Datatype c, int d, int e, MPI_Comm f, MPI_Request* g), (a, b, c, d, e, f, g))
COUNTED(MPI_Iprobe, (int a, int b, MPI_Comm c, int* d, MPI_Status* e), (a, b, c, d, e))
COUNTED(MPI_Test, (MPI_Request * a, int* b, MPI_Status* c), (a, b, c))
COUNTED(MPI_Iallgather,
        (const void* a, int b, MPI_Datatype c, void* d, int e, MPI_Datatype f, MPI_Comm g, MPI_Request* h),
        (a, b, c, d, e, f, g, h))

COUNTED(PMPI_Comm_dup, (MPI_Comm a, MPI_Comm* b), (a, b))
COUNTED(PMPI_Comm_dup_with_info, (MPI_Comm a, MPI_Info b, MPI_Comm* c), (a, b, c))
COUNTED(PMPI_Comm_idup, (MPI_Comm a, MPI_Comm* b, MPI_Request* c), (a, b, c))
COUNTED(PMPI_Comm_split, (MPI_Comm a, int b, int c, MPI_Comm* d), (a, b, c, d))
COUNTED(PMPI_Comm_split_type, (MPI_Comm a, int b, int c, MPI_Info d, MPI_Comm* e), (a, b, c, d, e))
COUNTED(PMPI_Comm_create, (MPI_Comm a, MPI_Group b, MPI_Comm* c), (a, b, c))
COUNTED(PMPI_Comm_create_group, (MPI_Comm a, MPI_Group b, int c, MPI_Comm* d), (a, b, c, d))
