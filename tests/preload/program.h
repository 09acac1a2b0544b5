/* What the programs in this folder share. They are MPI programs that know nothing of tutti: they run with and without
   the preload, and compare.sh compares what they print. What they print besides is how many of their calls the preload
   should serve and pass, in the words of its report. */
#ifndef TUTTI_TESTS_PRELOAD_PROGRAM_H
#define TUTTI_TESTS_PRELOAD_PROGRAM_H

#include <mpi.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
  ALLREDUCE,
  BCAST,
  REDUCE,
  ALLGATHER,
  ALLGATHERV,
  REDUCE_SCATTER,
  REDUCE_SCATTER_BLOCK,
  ALLTOALL,
  BARRIER,
  OPERATIONS
};

static int rank = 0;
static int size = 1;

static struct { long served, served_bytes, passed, passed_bytes, started; } expected[OPERATIONS];

/* MPI is initialised. Each rank has a file of its own for what it prints: launchers mix the lines of several. */
static inline void begin(void) {
  char name[4096];
  const char* folder = getenv("PROGRAM_OUTPUT");
  MPI_Comm_rank(MPI_COMM_WORLD, &rank);
  MPI_Comm_size(MPI_COMM_WORLD, &size);
  snprintf(name, sizeof name, "%s/%d", folder != NULL ? folder : ".", rank);
  if (folder != NULL && freopen(name, "w", stdout) == NULL) MPI_Abort(MPI_COMM_WORLD, 1);
}

/* The next call passes, and is about so much data. */
static inline void passes(int operation, long bytes) {
  ++expected[operation].passed;
  expected[operation].passed_bytes += bytes;
}

/* The next call on `comm` is served; communicators of one rank are MPI's. */
static inline void is_served(int operation, MPI_Comm comm, long bytes) {
  int ranks = 1;
  MPI_Comm_size(comm, &ranks);
  if (ranks == 1) {
    passes(operation, bytes);
  } else {
    ++expected[operation].served;
    expected[operation].served_bytes += bytes;
  }
}

/* The next call is a non-blocking or persistent form. */
static inline void is_started(int operation) { ++expected[operation].started; }

/* Prints what came out of a step: a digest of the data. Numbers are small integers, so that order does not matter. */
static inline void result(const char* step, const void* data, size_t bytes) {
  uint64_t digest = 0xCBF29CE484222325U; /* FNV-1a */
  for (size_t i = 0; i < bytes; ++i) digest = (digest ^ ((const unsigned char*)data)[i]) * 0x100000001B3U;
  printf("rank %d: %s: %zu bytes, %016llx\n", rank, step, bytes, (unsigned long long)digest);
}

static inline int check(int holds, const char* what) {
  if (!holds) printf("rank %d: failed: %s\n", rank, what);
  return holds ? 0 : 1;
}

/* Memory with numbers in it that all ranks know, and that differ between ranks and places. */
static inline void* numbers(size_t bytes, int seed) {
  unsigned char* data = malloc(bytes > 0 ? bytes : 1);
  for (size_t i = 0; i < bytes; ++i) data[i] = (unsigned char)(rank * 31 + (int)(i % 251) * 7 + seed);
  return data;
}

static inline void end(void) {
  static const char* const kNames[OPERATIONS] = {
      "allreduce", "bcast",  "reduce", "allgather", "allgatherv", "reduce_scatter", "reduce_scatter_block",
      "alltoall",  "barrier"};
  for (int i = 0; i < OPERATIONS; ++i) {
    if (expected[i].served + expected[i].passed + expected[i].started == 0) continue;
    printf("expected: rank %d: %s: served %ld (%ld bytes), passed %ld (%ld bytes), non-blocking or persistent %ld\n",
           rank, kNames[i], expected[i].served, expected[i].served_bytes, expected[i].passed, expected[i].passed_bytes,
           expected[i].started);
  }
  MPI_Finalize();
}

#endif /* TUTTI_TESTS_PRELOAD_PROGRAM_H */
