/* Calls that pass: those of which some rank, or every rank, asks for what tutti has not. In between others are served,
   so that a rank which took one for the other would not find its peers. */
#include <complex.h>

#include "program.h"

#if MPI_VERSION < 4 && defined(OPEN_MPI)
#include <mpi-ext.h>
#endif

#define WORLD MPI_COMM_WORLD

/* All ranks are where they should be. */
static void in_step(void) {
  int one = 1;
  int all = 0;
  is_served(ALLREDUCE, WORLD, sizeof(int));
  MPI_Allreduce(&one, &all, 1, MPI_INT, MPI_SUM, WORLD);
  result("in step", &all, sizeof all);
}

static void derived_types(void) {
  MPI_Datatype three;
  MPI_Datatype every_other;
  MPI_Type_contiguous(3, MPI_INT, &three);
  MPI_Type_commit(&three);
  MPI_Type_vector(4, 1, 2, MPI_DOUBLE, &every_other);
  MPI_Type_commit(&every_other);

  int* ints = numbers(24, 1);
  passes(BCAST, 24);
  MPI_Bcast(ints, 2, three, size - 1, WORLD);
  result("bcast of a derived type", ints, 24);
  free(ints);
  in_step();

  /* The types of one rank alone: the others could be served. */
  for (int odd = 0; odd < size; ++odd) {
    double* data = numbers(64, 2);
    passes(BCAST, 32);
    if (rank == odd) {
      MPI_Bcast(data, 1, every_other, 0, WORLD);
    } else {
      MPI_Bcast(data, 4, MPI_DOUBLE, 0, WORLD);
    }
    result("bcast of which one rank has a derived type", data, 64);
    in_step();

    double* all = calloc((size_t)size * 4 + 8, sizeof(double));
    passes(ALLGATHER, 32L * size);
    MPI_Allgather(data, rank == odd ? 1 : 4, rank == odd ? every_other : MPI_DOUBLE, all, 4, MPI_DOUBLE, WORLD);
    result("allgather of which one rank has a derived type", all, sizeof(double) * 4 * (size_t)size);

    int* in = numbers(sizeof(int) * 3 * (size_t)size, 3);
    int* out = calloc(3 * (size_t)size, sizeof(int));
    passes(ALLTOALL, 12L * size);
    MPI_Alltoall(in, rank == odd ? 1 : 3, rank == odd ? three : MPI_INT, out, 3, MPI_INT, WORLD);
    result("alltoall of which one rank has a derived type", out, sizeof(int) * 3 * (size_t)size);
    free(data);
    free(all);
    free(in);
    free(out);
    in_step();
  }
  MPI_Type_free(&three);
  MPI_Type_free(&every_other);
}

static void bottom(void) {
  int first[3] = {rank, rank + 1, rank + 2};
  double second = rank * 0.5;
  const int lengths[2] = {3, 1};
  const MPI_Datatype types[2] = {MPI_INT, MPI_DOUBLE};
  MPI_Aint places[2];
  MPI_Get_address(first, &places[0]);
  MPI_Get_address(&second, &places[1]);
  MPI_Datatype scattered;
  MPI_Type_create_struct(2, lengths, places, types, &scattered);
  MPI_Type_commit(&scattered);
  passes(BCAST, 20);
  MPI_Bcast(MPI_BOTTOM, 1, scattered, size / 2, WORLD);
  result("bcast from the bottom", first, sizeof first);
  result("bcast from the bottom", &second, sizeof second);
  MPI_Type_free(&scattered);
  in_step();
}

/* 2x2 matrices of small integers: a product that depends on the order. */
static void multiply(void* left, void* right, int* count, MPI_Datatype* type) {
  (void)type;
  for (int i = 0; i < *count; i += 4) {
    const int* a = (const int*)left + i;
    int* b = (int*)right + i;
    const int c[4] = {(a[0] * b[0] + a[1] * b[2]) % 9973, (a[0] * b[1] + a[1] * b[3]) % 9973,
                      (a[2] * b[0] + a[3] * b[2]) % 9973, (a[2] * b[1] + a[3] * b[3]) % 9973};
    memcpy(b, c, sizeof c);
  }
}

static void operators(void) {
  const struct {
    double value;
    int place;
  } own = {(rank * 7) % 5, rank};
  struct {
    double value;
    int place;
  } best = {0, 0};
  int pair[2] = {(rank * 3) % 4, rank};
  passes(ALLREDUCE, 12);
  MPI_Allreduce(&own, &best, 1, MPI_DOUBLE_INT, MPI_MAXLOC, WORLD);
  result("maxloc", &best.place, sizeof best.place);
  passes(ALLREDUCE, 8);
  MPI_Allreduce(MPI_IN_PLACE, pair, 1, MPI_2INT, MPI_MINLOC, WORLD);
  result("minloc", pair, sizeof pair);

  MPI_Op product;
  MPI_Op_create(multiply, 0, &product);
  int in[4 * 8];
  int out[4 * 8];
  for (int i = 0; i < 4 * 8; ++i) in[i] = (rank + 1) * (i + 1) % 7 + 1;
  passes(ALLREDUCE, 4 * sizeof(int));
  MPI_Allreduce(in, out, 4, MPI_INT, product, WORLD);
  result("product of matrices", out, 4 * sizeof(int));
  memset(out, 0, sizeof out);
  passes(REDUCE, 4 * sizeof(int));
  MPI_Reduce(in, out, 4, MPI_INT, product, size - 1, WORLD);
  result("product of matrices at the last rank", out, 4 * sizeof(int));
  if (size <= 8) {
    passes(REDUCE_SCATTER_BLOCK, 4 * (long)sizeof(int) * size);
    MPI_Reduce_scatter_block(in, out, 4, MPI_INT, product, WORLD);
    result("products of matrices", out, 4 * sizeof(int));
  }
  MPI_Op_free(&product);

  passes(ALLREDUCE, 4 * sizeof(int));
  MPI_Allreduce(in, out, 4, MPI_INT, MPI_LXOR, WORLD);
  result("logical exclusive or", out, 4 * sizeof(int));
  const long double wide = rank + 1;
  long double sum = 0;
  passes(ALLREDUCE, sizeof wide);
  MPI_Allreduce(&wide, &sum, 1, MPI_LONG_DOUBLE, MPI_SUM, WORLD);
  const double narrow = (double)sum;
  result("sum of long doubles", &narrow, sizeof narrow);
  const double complex turn = 1 + (rank + 1) * I;
  double complex turns = 0;
  passes(ALLREDUCE, sizeof turn);
  MPI_Allreduce(&turn, &turns, 1, MPI_C_DOUBLE_COMPLEX, MPI_PROD, WORLD);
  result("product of complex numbers", &turns, sizeof turns);
  in_step();
}

static void shapes(void) {
  /* Nothing to do. */
  passes(ALLREDUCE, 0);
  MPI_Allreduce(NULL, NULL, 0, MPI_INT, MPI_SUM, WORLD);
  passes(BCAST, 0);
  MPI_Bcast(NULL, 0, MPI_DOUBLE, 0, WORLD);

  /* Blocks that one rank wants in another order, or with gaps between them. */
  int counts[64];
  int places[64];
  for (int odd = 0; odd < size && size > 1; ++odd) {
    char* block = numbers(5, 4);
    char* all = calloc((size_t)size * 8, 1);
    for (int r = 0; r < size; ++r) {
      counts[r] = 5;
      places[r] = rank == odd ? (size - 1 - r) * 7 : r * 5;
    }
    passes(ALLGATHERV, 5L * size);
    MPI_Allgatherv(block, 5, MPI_CHAR, all, counts, places, MPI_CHAR, WORLD);
    result("allgatherv with gaps on one rank", all, (size_t)size * 8);
    free(block);
    free(all);
    in_step();
  }

  int* blocks = numbers(sizeof(int) * (size_t)size, 6);
  passes(ALLTOALL, (long)sizeof(int) * size);
  MPI_Alltoall(MPI_IN_PLACE, 0, MPI_DATATYPE_NULL, blocks, 1, MPI_INT, WORLD);
  result("alltoall in place", blocks, sizeof(int) * (size_t)size);
  free(blocks);

  int alone = rank;
  passes(ALLREDUCE, sizeof alone);
  MPI_Allreduce(MPI_IN_PLACE, &alone, 1, MPI_INT, MPI_SUM, MPI_COMM_SELF);
  result("allreduce alone", &alone, sizeof alone);
  in_step();
}

/* In place without saying so, which MPI refuses or not as it likes, on whatever communicator (Open MPI: the world). */
static void same_buffers(void) {
  int data[4] = {rank, 1, 2, 3};
  int error_class = MPI_SUCCESS;
  MPI_Comm_set_errhandler(WORLD, MPI_ERRORS_RETURN);
  passes(ALLREDUCE, sizeof data);
  MPI_Error_class(MPI_Allreduce(data, data, 4, MPI_INT, MPI_SUM, WORLD), &error_class);
  result("allreduce with one buffer: class", &error_class, sizeof error_class);
  result("allreduce with one buffer", data, sizeof data);
  passes(REDUCE_SCATTER_BLOCK, (long)sizeof(int) * size);
  int* const blocks = numbers(sizeof(int) * (size_t)size, 3);
  MPI_Error_class(MPI_Reduce_scatter_block(blocks, blocks, 1, MPI_INT, MPI_MAX, WORLD), &error_class);
  result("reduce_scatter_block with one buffer: class", &error_class, sizeof error_class);
  free(blocks);
  MPI_Comm_set_errhandler(WORLD, MPI_ERRORS_ARE_FATAL);
}

static void inter_communicators(void) {
  if (size < 2) return;
  MPI_Comm half;
  MPI_Comm both;
  MPI_Comm merged;
  const int upper = rank >= size / 2;
  MPI_Comm_split(WORLD, upper, 0, &half);
  MPI_Intercomm_create(half, 0, WORLD, upper ? 0 : size / 2, 3, &both);
  int value = rank + 1;
  int sum = 0;
  passes(ALLREDUCE, 0);
  MPI_Allreduce(&value, &sum, 1, MPI_INT, MPI_SUM, both);
  result("allreduce between groups", &sum, sizeof sum);
  passes(BCAST, 0);
  MPI_Bcast(&value, 1, MPI_INT, upper ? 0 : (rank == 0 ? MPI_ROOT : MPI_PROC_NULL), both);
  result("bcast between groups", &value, sizeof value);
  passes(BARRIER, 0);
  MPI_Barrier(both);
  MPI_Intercomm_merge(both, upper, &merged);
  is_served(ALLREDUCE, merged, sizeof sum);
  MPI_Allreduce(MPI_IN_PLACE, &sum, 1, MPI_INT, MPI_SUM, merged);
  result("allreduce of merged groups", &sum, sizeof sum);
  MPI_Comm_free(&merged);
  MPI_Comm_free(&both);
  MPI_Comm_free(&half);
}

static void non_blocking(void) {
  enum { kForms = 9 };
  MPI_Request requests[kForms];
  MPI_Status statuses[kForms];
  int counts[64];
  int places[64];
  int in[64];
  int outs[kForms][64];
  memset(outs, 0, sizeof outs);
  for (int r = 0; r < 64; ++r) {
    counts[r] = 1;
    places[r] = r;
    in[r] = rank * 3 + r;
  }
  for (int i = 0; i < kForms; ++i) is_started(i);
  MPI_Iallreduce(in, outs[0], 4, MPI_INT, MPI_SUM, WORLD, &requests[0]);
  MPI_Ibcast(outs[1], 4, MPI_INT, 0, WORLD, &requests[1]);
  MPI_Ireduce(in, outs[2], 4, MPI_INT, MPI_MAX, 0, WORLD, &requests[2]);
  MPI_Iallgather(in, 1, MPI_INT, outs[3], 1, MPI_INT, WORLD, &requests[3]);
  MPI_Iallgatherv(in, 1, MPI_INT, outs[4], counts, places, MPI_INT, WORLD, &requests[4]);
  MPI_Ireduce_scatter(in, outs[5], counts, MPI_INT, MPI_SUM, WORLD, &requests[5]);
  MPI_Ireduce_scatter_block(in, outs[6], 1, MPI_INT, MPI_SUM, WORLD, &requests[6]);
  MPI_Ialltoall(in, 1, MPI_INT, outs[7], 1, MPI_INT, WORLD, &requests[7]);
  MPI_Ibarrier(WORLD, &requests[8]);
  in_step(); /* while they are under way */
  MPI_Waitall(kForms, requests, statuses);
  result("non-blocking", outs, sizeof outs);
}

static void persistent(void) {
  int in = rank + 1;
  int out = 0;
  MPI_Request request;
#if MPI_VERSION >= 4
  is_started(ALLREDUCE);
  MPI_Allreduce_init(&in, &out, 1, MPI_INT, MPI_SUM, WORLD, MPI_INFO_NULL, &request);
#elif defined(OMPI_HAVE_MPI_EXT_PCOLLREQ)
  is_started(ALLREDUCE);
  MPIX_Allreduce_init(&in, &out, 1, MPI_INT, MPI_SUM, WORLD, MPI_INFO_NULL, &request);
#else
  return;
#endif
  for (int i = 0; i < 3; ++i, ++in) {
    MPI_Start(&request);
    MPI_Wait(&request, MPI_STATUS_IGNORE);
    result("persistent", &out, sizeof out);
  }
  MPI_Request_free(&request);
}

/* What the preload does not look at. */
static void others(void) {
  int in = rank + 1;
  int out[64] = {0};
  MPI_Scan(&in, out, 1, MPI_INT, MPI_SUM, WORLD);
  result("scan", out, sizeof(int));
  MPI_Gather(&in, 1, MPI_INT, out, 1, MPI_INT, size - 1, WORLD);
  result("gather", out, sizeof out);
  MPI_Request request;
  MPI_Comm copy;
  MPI_Comm_idup(WORLD, &copy, &request);
  MPI_Wait(&request, MPI_STATUS_IGNORE);
  passes(ALLREDUCE, sizeof in);
  MPI_Allreduce(MPI_IN_PLACE, &in, 1, MPI_INT, MPI_SUM, copy);
  result("allreduce on a communicator that came without waiting", &in, sizeof in);
  MPI_Comm_free(&copy);
  in_step();
}

int main(int argc, char** argv) {
  MPI_Init(&argc, &argv);
  begin();
  derived_types();
  bottom();
  operators();
  shapes();
  same_buffers();
  inter_communicators();
  non_blocking();
  persistent();
  others();
  end();
  return 0;
}
