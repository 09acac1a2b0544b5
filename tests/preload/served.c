/* Calls that are served: every operation, with types and operators of all kinds, sizes around the limits of the ways in
   which data travel, in place and not, on MPI_COMM_WORLD and on parts of it. */
#include <complex.h>
#include <stdbool.h>

#include "program.h"

static MPI_Comm comm = MPI_COMM_NULL;
static int own = 0;
static int ranks = 1;

/* Elements of small whole numbers, so that every order of additions gives the same. */
#define FILL(type, count, factor)                        \
  type* in = malloc(sizeof(type) * (size_t)(count) + 1); \
  type* out = calloc((size_t)(count) + 1, sizeof(type)); \
  for (int i = 0; i < (count); ++i) in[i] = (type)((own + 1) * (factor) + i % 5)

#define ALLREDUCE_OF(type, mpi_type, op, count)                                  \
  do {                                                                           \
    FILL(type, count, 1);                                                        \
    is_served(ALLREDUCE, comm, (long)sizeof(type) * (count));                    \
    MPI_Allreduce(in, out, count, mpi_type, op, comm);                           \
    result("allreduce " #mpi_type " " #op, out, sizeof(type) * (size_t)(count)); \
    free(in);                                                                    \
    free(out);                                                                   \
  } while (0)

static void types_and_operators(void) {
  ALLREDUCE_OF(double, MPI_DOUBLE, MPI_SUM, 17);
  ALLREDUCE_OF(double, MPI_DOUBLE, MPI_PROD, 5);
  ALLREDUCE_OF(float, MPI_FLOAT, MPI_MIN, 33);
  ALLREDUCE_OF(float, MPI_FLOAT, MPI_MAX, 33);
  ALLREDUCE_OF(signed char, MPI_SIGNED_CHAR, MPI_SUM, 9);
  ALLREDUCE_OF(unsigned char, MPI_UNSIGNED_CHAR, MPI_MAX, 9);
  ALLREDUCE_OF(short, MPI_SHORT, MPI_BXOR, 12);
  ALLREDUCE_OF(unsigned short, MPI_UNSIGNED_SHORT, MPI_BOR, 12);
  ALLREDUCE_OF(int, MPI_INT, MPI_LAND, 7);
  ALLREDUCE_OF(unsigned, MPI_UNSIGNED, MPI_BAND, 7);
  ALLREDUCE_OF(long, MPI_LONG, MPI_MIN, 3);
  ALLREDUCE_OF(unsigned long long, MPI_UNSIGNED_LONG_LONG, MPI_PROD, 3);
  ALLREDUCE_OF(int64_t, MPI_INT64_T, MPI_LOR, 3);
  ALLREDUCE_OF(uint8_t, MPI_BYTE, MPI_BXOR, 21);
  ALLREDUCE_OF(bool, MPI_C_BOOL, MPI_LAND, 21);
  ALLREDUCE_OF(MPI_Aint, MPI_AINT, MPI_MAX, 4);
  ALLREDUCE_OF(double complex, MPI_C_DOUBLE_COMPLEX, MPI_SUM, 6);
  ALLREDUCE_OF(float complex, MPI_C_FLOAT_COMPLEX, MPI_SUM, 6);
}

static void allreduce_and_reduce(int count) {
  const long bytes = (long)sizeof(float) * count;
  FILL(float, count, 3);
  is_served(ALLREDUCE, comm, bytes);
  MPI_Allreduce(in, out, count, MPI_FLOAT, MPI_SUM, comm);
  result("allreduce", out, (size_t)bytes);
  for (int root = 0; root < ranks; ++root) {
    memset(out, 0, (size_t)bytes);
    is_served(REDUCE, comm, bytes);
    MPI_Reduce(in, out, count, MPI_FLOAT, MPI_SUM, root, comm);
    result("reduce", out, (size_t)bytes); /* untouched but for the root */
    memcpy(out, in, (size_t)bytes);
    is_served(REDUCE, comm, bytes);
    MPI_Reduce(own == root ? MPI_IN_PLACE : out, own == root ? out : NULL, count, MPI_FLOAT, MPI_MAX, root, comm);
    result("reduce in place", out, (size_t)bytes);
  }
  is_served(ALLREDUCE, comm, bytes);
  MPI_Allreduce(MPI_IN_PLACE, in, count, MPI_FLOAT, MPI_SUM, comm);
  result("allreduce in place", in, (size_t)bytes);
  free(in);
  free(out);
}

static void reduce_scatters(int count) {
  const long all = (long)sizeof(int) * count * ranks;
  FILL(int, count* ranks, 2);
  is_served(REDUCE_SCATTER_BLOCK, comm, all);
  MPI_Reduce_scatter_block(in, out, count, MPI_INT, MPI_SUM, comm);
  result("reduce_scatter_block", out, (size_t)all);
  memcpy(out, in, (size_t)all);
  is_served(REDUCE_SCATTER_BLOCK, comm, all);
  MPI_Reduce_scatter_block(MPI_IN_PLACE, out, count, MPI_INT, MPI_SUM, comm);
  result("reduce_scatter_block in place", out, sizeof(int) * (size_t)count);

  int counts[64];
  long total = 0;
  for (int r = 0; r < ranks; ++r) total += counts[r] = r == 1 ? 0 : count - (count > r ? r : 0);
  memset(out, 0, (size_t)all);
  is_served(REDUCE_SCATTER, comm, (long)sizeof(int) * total);
  MPI_Reduce_scatter(in, out, counts, MPI_INT, MPI_MAX, comm);
  result("reduce_scatter", out, (size_t)all);
  memcpy(out, in, (size_t)all);
  is_served(REDUCE_SCATTER, comm, (long)sizeof(int) * total);
  MPI_Reduce_scatter(MPI_IN_PLACE, out, counts, MPI_INT, MPI_SUM, comm);
  result("reduce_scatter in place", out, sizeof(int) * (size_t)counts[own]);
  free(in);
  free(out);
}

/* The types are each rank's own: they only have to have the same bytes. */
static void bcasts(int bytes) {
  for (int root = 0; root < ranks; ++root) {
    char* data = numbers((size_t)bytes, own == root ? 5 : 77);
    is_served(BCAST, comm, bytes);
    if (own == root && bytes % 8 == 0) {
      MPI_Bcast(data, bytes / 8, MPI_DOUBLE, root, comm);
    } else {
      MPI_Bcast(data, bytes, MPI_BYTE, root, comm);
    }
    result("bcast", data, (size_t)bytes);
    free(data);
  }
}

static void gathers(int block) {
  const size_t all = (size_t)block * (size_t)ranks;
  char* in = numbers((size_t)block, 1);
  char* out = calloc(all + 1, 1);
  is_served(ALLGATHER, comm, (long)all);
  if (own % 2 == 0 && block % 4 == 0) {
    MPI_Allgather(in, block / 4, MPI_INT, out, block / 4, MPI_FLOAT, comm);
  } else {
    MPI_Allgather(in, block, MPI_CHAR, out, block, MPI_BYTE, comm);
  }
  result("allgather", out, all);
  memset(out, 0, all);
  memcpy(out + (size_t)own * (size_t)block, in, (size_t)block);
  is_served(ALLGATHER, comm, (long)all);
  MPI_Allgather(MPI_IN_PLACE, 0, MPI_DATATYPE_NULL, out, block, MPI_BYTE, comm);
  result("allgather in place", out, all);

  int counts[64];
  int displacements[64];
  int total = 0;
  for (int r = 0; r < ranks; ++r) {
    counts[r] = r == 1 ? 0 : block - (block > r ? r : 0);
    displacements[r] = r == 1 ? 12345 : total; /* of an empty block it does not matter */
    total += counts[r];
  }
  memset(out, 0, all);
  is_served(ALLGATHERV, comm, total);
  MPI_Allgatherv(in, counts[own], MPI_CHAR, out, counts, displacements, MPI_CHAR, comm);
  result("allgatherv", out, all);
  memset(out, 0, all);
  if (own != 1) memcpy(out + displacements[own], in, (size_t)counts[own]);
  is_served(ALLGATHERV, comm, total);
  MPI_Allgatherv(MPI_IN_PLACE, 0, MPI_DATATYPE_NULL, out, counts, displacements, MPI_CHAR, comm);
  result("allgatherv in place", out, all);
  free(in);
  free(out);
}

static void alltoalls(int block) {
  const size_t all = (size_t)block * (size_t)ranks;
  char* in = numbers(all, 3);
  char* out = calloc(all + 1, 1);
  is_served(ALLTOALL, comm, (long)all);
  if (own == 0 && block % 8 == 0) {
    MPI_Alltoall(in, block / 8, MPI_INT64_T, out, block, MPI_BYTE, comm);
  } else {
    MPI_Alltoall(in, block, MPI_BYTE, out, block, MPI_SIGNED_CHAR, comm);
  }
  result("alltoall", out, all);
  free(in);
  free(out);
}

static void everything(MPI_Comm on) {
  static const int kBytes[] = {1, 8, 40, 4096, 4100, 65536, 300004};
  comm = on;
  MPI_Comm_rank(comm, &own);
  MPI_Comm_size(comm, &ranks);
  types_and_operators();
  for (size_t i = 0; i < sizeof kBytes / sizeof *kBytes; ++i) {
    const int numbers_of = kBytes[i] < 4 ? 1 : kBytes[i] / 4;
    allreduce_and_reduce(numbers_of);
    reduce_scatters(numbers_of);
    bcasts(kBytes[i]);
    gathers(kBytes[i]);
    alltoalls(kBytes[i]);
    is_served(BARRIER, comm, 0);
    MPI_Barrier(comm);
  }
}

int main(int argc, char** argv) {
  MPI_Init(&argc, &argv);
  begin();
  everything(MPI_COMM_WORLD);
  /* The ranks in reverse, in two parts of which one has a single rank if there are few. */
  MPI_Comm part;
  MPI_Comm_split(MPI_COMM_WORLD, rank / 3, -rank, &part);
  everything(part);
  MPI_Comm_free(&part);
  end();
  return 0;
}
