/* Compressed allreduce through the C interface, on every rank: one call, started ones, with feedback, saved and
 * restored, with its errors. Numbers are small integers, so that sums of f32 are exact. Exit status 0 if all is well on
 * all ranks. */
#include <math.h>
#include <stdint.h>
#include <stdlib.h>

#include <tests/allreduce/c_expect.h>
#include <tutti/compression.h>

#define COUNT 2600
#define STEPS 5
#define EACH 1024
#define INVALID TUTTI_ERROR_INVALID_ARGUMENT

/* With a gap before, between and after them. */
static const tutti_tensor tensors[] = {
    {.offset = 8, .count = 1500}, {.offset = 1510, .count = 0}, {.offset = 1520, .count = 1024, .rows = 32}};
#define TENSORS (sizeof tensors / sizeof tensors[0])

static int in_tensor(size_t i) { return (i >= 8 && i < 1508) || (i >= 1520 && i < 2544); }

/* An integer of up to 12 bits: more than bf16 has. */
static float contribution(int of_rank, int step, size_t i) {
  const uint32_t mixed = ((uint32_t)i * 2654435761U) ^ ((uint32_t)(of_rank * 7 + step * 31 + 1) * 40503U * 65537U);
  return (float)((mixed >> 13) % 4001U) - 2000.0F;
}

static void contribute(float* data, int step) {
  for (size_t i = 0; i < COUNT; ++i) data[i] = contribution(rank, step, i);
}

static void finish(tutti_result started, tutti_request* operation) {
  EXPECT(started == TUTTI_SUCCESS && tutti_wait(operation) == TUTTI_SUCCESS);
  tutti_request_free(operation);
}

static void call(tutti_compression* compression, float* data, int step) {
  tutti_request* operation = NULL;
  const tutti_result started = tutti_compression_start(compression, data, COUNT, (uint64_t)step, &operation);
  finish(started, operation);
}

static tutti_compression* create(tutti_comm* comm, const char* codec, tutti_op op) {
  tutti_compression* compression = NULL;
  EXPECT(tutti_compression_create(comm, tensors, TENSORS, codec, op, &compression) == TUTTI_SUCCESS);
  return compression;
}

static size_t arrays_of(tutti_compression* compression) {
  size_t count = SIZE_MAX;
  EXPECT(tutti_compression_arrays(compression, &count) == TUTTI_SUCCESS);
  return count;
}

static tutti_compression_array array_of(tutti_compression* compression, size_t index) {
  tutti_compression_array array = {0};
  EXPECT(tutti_compression_array_at(compression, index, &array) == TUTTI_SUCCESS);
  return array;
}

static void test_one_call(tutti_comm* comm) {
  float data[3][100];
  tutti_request* operations[2] = {NULL, NULL};
  for (int i = 0; i < 3; ++i)
    for (int j = 0; j < 100; ++j) data[i][j] = (float)(rank + i + j % 16);
  EXPECT(tutti_icompressed_allreduce(comm, data[0], 100, TUTTI_SUM, "bf16", 1, &operations[0]) == TUTTI_SUCCESS);
  EXPECT(tutti_icompressed_allreduce(comm, data[1], 100, TUTTI_AVG, "none", 2, &operations[1]) == TUTTI_SUCCESS);
  EXPECT(tutti_compressed_allreduce(comm, data[2], 100, TUTTI_SUM, "topk:density=1,feedback=off", 3) == TUTTI_SUCCESS);
  for (int i = 1; i >= 0; --i) finish(TUTTI_SUCCESS, operations[i]);
  const float ranks = (float)size;
  const float of_ranks = (float)(size * (size - 1)) / 2.0F;
  for (int j = 0; j < 100; ++j) {
    const float same = (float)(j % 16);
    EXPECT(data[0][j] == of_ranks + ranks * same);
    EXPECT(data[1][j] == (of_ranks + ranks * (same + 1.0F)) / ranks);
    EXPECT(data[2][j] == of_ranks + ranks * (same + 2.0F));
  }
  EXPECT(tutti_compressed_allreduce(comm, NULL, 0, TUTTI_SUM, "bf16", 0) == TUTTI_SUCCESS);
}

/* What all calls have given, and what all ranks hold back, add up to all contributions: to the bit where all that is
 * added are integers, otherwise within `bound`. */
static void test_conserves(tutti_comm* comm, const char* codec, tutti_op op, double bound) {
  static float data[COUNT];
  static double missing[COUNT]; /* from what this rank has contributed; of all ranks once they are added */
  tutti_compression* compression = create(comm, codec, op);
  memset(missing, 0, sizeof missing);
  for (int step = 0; step < STEPS; ++step) {
    contribute(data, step);
    call(compression, data, step);
    for (size_t i = 0; i < COUNT; ++i) {
      const float given = contribution(rank, step, i);
      if (!in_tensor(i)) {
        EXPECT(data[i] == given);
      } else {
        missing[i] += (double)given;
        if (rank == 0) missing[i] -= (double)data[i] * (op == TUTTI_AVG ? size : 1); /* all were given the same */
      }
    }
  }
  double held_back = 0;
  for (size_t a = 0; a < arrays_of(compression); ++a) {
    const tutti_compression_array array = array_of(compression, a);
    EXPECT(array.tensor < TENSORS && array.name != NULL && strlen(array.name) > 0);
    if (array.kind != TUTTI_STATE_HELD_BACK) continue;
    EXPECT(array.first + array.count <= tensors[array.tensor].count);
    for (size_t i = 0; i < array.count; ++i) {
      missing[tensors[array.tensor].offset + array.first + i] -= array.weight * (double)array.values[i];
      held_back += fabs((double)array.values[i]);
    }
  }
  EXPECT(tutti_allreduce(comm, missing, COUNT, TUTTI_F64, TUTTI_SUM) == TUTTI_SUCCESS);
  EXPECT(held_back > 0);
  for (size_t i = 0; i < COUNT; ++i) {
    if (!(fabs(missing[i]) <= bound)) fprintf(stderr, "%s: %g of element %zu are lost\n", codec, missing[i], i);
    EXPECT(fabs(missing[i]) <= bound);
  }
  tutti_compression_free(compression);
}

/* Calls go on from saved arrays as if they had not stopped. */
static void test_restores(tutti_comm* comm, const char* codec) {
  static float data[2][COUNT];
  tutti_compression* first = create(comm, codec, TUTTI_AVG);
  tutti_compression* second = create(comm, codec, TUTTI_AVG);
  for (int step = 0; step < 2; ++step) {
    contribute(data[0], step);
    call(first, data[0], step);
  }
  const size_t arrays = arrays_of(first);
  EXPECT(arrays > 0 && arrays_of(second) == arrays);
  double saved = 0;
  for (size_t a = 0; a < arrays; ++a) {
    const tutti_compression_array from = array_of(first, a);
    const tutti_compression_array to = array_of(second, a);
    EXPECT(strcmp(to.name, from.name) == 0 && to.kind == from.kind && to.tensor == from.tensor &&
           to.first == from.first && to.count == from.count && to.weight == from.weight);
    for (size_t i = 0; i < from.count; ++i) {
      if (to.kind != TUTTI_STATE_COMMON) EXPECT(to.values[i] == 0.0F);
      saved += fabs((double)from.values[i]);
      to.values[i] = from.values[i];
    }
  }
  EXPECT(saved > 0);
  for (int i = 0; i < 2; ++i) {
    contribute(data[i], 2);
    call(i == 0 ? first : second, data[i], 2);
  }
  EXPECT(memcmp(data[0], data[1], sizeof data[0]) == 0);
  tutti_compression_free(first);
  tutti_compression_free(second);
}

/* What is written between calls counts in the next one, also if the arrays were asked for before. */
static void test_counts_what_is_written(tutti_comm* comm, const char* codec) {
  static float data[COUNT];
  tutti_compression* compression = create(comm, codec, TUTTI_AVG);
  EXPECT(arrays_of(compression) > 0);
  memset(data, 0, sizeof data);
  call(compression, data, 0);
  const tutti_compression_array array = array_of(compression, 0);
  array.values[0] = 64.0F;
  memset(data, 0, sizeof data);
  call(compression, data, 1);
  EXPECT(fabsf(data[tensors[array.tensor].offset + array.first] - 64.0F) < 1.0F);
  tutti_compression_free(compression);
}

static void test_facts(tutti_comm* comm) {
  static float data[COUNT];
  const size_t elements = tensors[0].count + tensors[2].count;
  tutti_compression* plain = create(comm, "none", TUTTI_SUM);
  EXPECT(tutti_compression_payload_bytes(plain) == 4 * elements);
  EXPECT(arrays_of(plain) == 0);
  tutti_compression_free(plain);

  tutti_compression* compression = create(comm, "f16:feedback=on", TUTTI_SUM);
  EXPECT(tutti_compression_payload_bytes(compression) == 2 * elements);
  tutti_tensor_facts facts = {.values = 1, .error = 1, .saturated = 1};
  EXPECT(tutti_compression_facts(compression, 0, &facts) == TUTTI_SUCCESS);
  EXPECT(facts.values == 0 && facts.error == 0 && facts.saturated == 0);
  contribute(data, 0);
  for (size_t i = 0; i < 1500; ++i) data[8 + i] *= 17.0F; /* up to 15 bits: more than f16 has, and within its range */
  data[1520] = 1e6F;
  double values = 0;
  for (size_t i = 0; i < 1500; ++i) values += (double)data[8 + i] * (double)data[8 + i];
  call(compression, data, 0);
  EXPECT(tutti_compression_facts(compression, 0, &facts) == TUTTI_SUCCESS);
  EXPECT(facts.values == values && facts.saturated == 0);
  double error = 0;
  for (size_t a = 0; a < arrays_of(compression); ++a) {
    const tutti_compression_array array = array_of(compression, a);
    if (array.tensor != 0 || strcmp(array.name, "residual") != 0) continue;
    for (size_t i = 0; i < array.count; ++i) error += (double)array.values[i] * (double)array.values[i];
  }
  EXPECT(error > 0 && facts.error == error);
  EXPECT(tutti_compression_facts(compression, 2, &facts) == TUTTI_SUCCESS && facts.saturated == 1);
  tutti_compression_free(compression);
}

/* The factor of PowerSGD is an array that belongs to no elements. */
static void test_kinds(tutti_comm* comm) {
  tutti_compression* compression = create(comm, "powersgd:rank=2", TUTTI_AVG);
  int factors = 0;
  for (size_t a = 0; a < arrays_of(compression); ++a) {
    const tutti_compression_array array = array_of(compression, a);
    EXPECT(array.tensor == 2);
    if (strcmp(array.name, "factor") != 0) continue;
    ++factors;
    EXPECT(array.kind == TUTTI_STATE_COMMON && array.count == 2 * 32);
  }
  EXPECT(factors == 1);
  tutti_compression_free(compression);
  compression = create(comm, "dgc", TUTTI_AVG);
  int momenta = 0;
  for (size_t a = 0; a < arrays_of(compression); ++a)
    momenta += array_of(compression, a).kind == TUTTI_STATE_ADDED ? 1 : 0;
  EXPECT(momenta == TENSORS);
  tutti_compression_free(compression);
}

/* Tensors draw by their number, and calls by their step. */
static void test_draws(tutti_comm* comm) {
  static float data[3][2 * EACH];
  const tutti_tensor halves[] = {{.count = EACH}, {.offset = EACH, .count = EACH}};
  const uint64_t steps[] = {4, 4, 5};
  tutti_compression* compression = NULL;
  EXPECT(tutti_compression_create(comm, halves, 2, "int4:rounding=stochastic,feedback=off", TUTTI_SUM, &compression) ==
         TUTTI_SUCCESS);
  for (int i = 0; i < 3; ++i) {
    for (int j = 0; j < 2 * EACH; ++j) data[i][j] = (float)(j % EACH % 31);
    tutti_request* operation = NULL;
    const tutti_result started = tutti_compression_start(compression, data[i], 2 * EACH, steps[i], &operation);
    finish(started, operation);
  }
  EXPECT(memcmp(data[0], data[1], sizeof data[0]) == 0);
  EXPECT(memcmp(data[0], data[2], sizeof data[0]) != 0);
  EXPECT(memcmp(data[0], data[0] + EACH, EACH * sizeof(float)) != 0);
  tutti_compression_free(compression);
}

static void test_wrong_calls(tutti_comm* comm) {
  float data[100] = {0};
  tutti_request* operation = NULL;
  EXPECT(tutti_compressed_allreduce(comm, data, 100, TUTTI_SUM, "zip", 0) == INVALID && says("unknown codec 'zip'"));
  EXPECT(says("compressed allreduce #"));
  EXPECT(tutti_compressed_allreduce(comm, data, 100, TUTTI_SUM, "int8:block=3", 0) == INVALID && says("block"));
  EXPECT(tutti_compressed_allreduce(comm, data, 100, TUTTI_SUM, NULL, 0) == INVALID && says("the codec is NULL"));
  EXPECT(tutti_compressed_allreduce(comm, data, 100, TUTTI_MAX, "bf16", 0) == INVALID && says("operator max"));
  EXPECT(tutti_compressed_allreduce(comm, data, 100, (tutti_op)77, "bf16", 0) == INVALID && says("operator 77"));
  EXPECT(tutti_compressed_allreduce(comm, data, 100, TUTTI_SUM, "topk", 0) == INVALID && says("feedback"));
  EXPECT(tutti_compressed_allreduce(comm, NULL, 100, TUTTI_SUM, "bf16", 0) == INVALID && says("data is null"));
  EXPECT(tutti_compressed_allreduce(comm, data, SIZE_MAX, TUTTI_SUM, "bf16", 0) == INVALID && says("more than memory"));
  EXPECT(tutti_compressed_allreduce(comm, data, SIZE_MAX / 4 + 2, TUTTI_SUM, "none", 0) == INVALID &&
         says("more than memory"));
  EXPECT(tutti_compressed_allreduce(NULL, data, 100, TUTTI_SUM, "bf16", 0) == INVALID && says("NULL"));
  EXPECT(tutti_icompressed_allreduce(comm, data, 100, TUTTI_SUM, "zip", 0, &operation) == INVALID && operation == NULL);
  EXPECT(tutti_icompressed_allreduce(comm, data, 100, TUTTI_SUM, "bf16", 0, NULL) == INVALID && says("place"));
  EXPECT(tutti_icompressed_allreduce(NULL, data, 100, TUTTI_SUM, "bf16", 0, &operation) == INVALID && says("NULL"));
}

static void test_wrong_compressions(tutti_comm* comm) {
  const tutti_tensor overlap[] = {{.offset = 0, .count = 10}, {.offset = 9, .count = 1}};
  const tutti_tensor no_matrix[] = {{.count = 10, .rows = 3}};
  const tutti_tensor endless[] = {{.count = 10}, {.offset = 5, .count = SIZE_MAX - 2}};
  tutti_compression* made = (tutti_compression*)-1;
  EXPECT(tutti_compression_create(NULL, tensors, TENSORS, "bf16", TUTTI_SUM, &made) == INVALID && made == NULL);
  EXPECT(tutti_compression_create(comm, tensors, TENSORS, "bf16", TUTTI_SUM, NULL) == INVALID && says("NULL"));
  EXPECT(tutti_compression_create(comm, NULL, 3, "bf16", TUTTI_SUM, &made) == INVALID && says("tensors is NULL"));
  EXPECT(tutti_compression_create(comm, tensors, TENSORS, NULL, TUTTI_SUM, &made) == INVALID && says("codec is NULL"));
  EXPECT(tutti_compression_create(comm, tensors, TENSORS, "bf16:rank=3", TUTTI_SUM, &made) == INVALID && says("rank"));
  EXPECT(tutti_compression_create(comm, tensors, TENSORS, "bf16", (tutti_op)99, &made) == INVALID && says("99"));
  EXPECT(tutti_compression_create(comm, overlap, 2, "bf16", TUTTI_SUM, &made) == INVALID && says("overlap"));
  EXPECT(tutti_compression_create(comm, endless, 2, "bf16", TUTTI_SUM, &made) == INVALID && says("more than memory"));
  EXPECT(tutti_compression_create(comm, no_matrix, 1, "bf16", TUTTI_SUM, &made) == INVALID && says("3 rows"));
  EXPECT(made == NULL);
  tutti_compression_free(NULL);
  EXPECT(tutti_compression_payload_bytes(NULL) == 0);

  static float data[COUNT];
  tutti_compression* compression = create(comm, "bf16:feedback=on", TUTTI_SUM);
  tutti_request* operation = NULL;
  tutti_request* second = NULL;
  tutti_tensor_facts facts;
  tutti_compression_array array;
  size_t count = 0;
  EXPECT(tutti_compression_start(NULL, data, COUNT, 0, &operation) == INVALID && says("compression is NULL"));
  EXPECT(tutti_compression_start(compression, data, COUNT, 0, NULL) == INVALID && says("place"));
  EXPECT(tutti_compression_start(compression, data, 2000, 0, &operation) == INVALID && says("outside the data"));
  EXPECT(tutti_compression_start(compression, NULL, COUNT, 0, &operation) == INVALID && operation == NULL);
  /* The last rank begins later, so that the call of the others is not complete when they start the next one. Its own
   * may be: it gives no data. */
  const int is_last = rank == size - 1;
  if (is_last) MPI_Barrier(MPI_COMM_WORLD);
  EXPECT(tutti_compression_start(compression, data, COUNT, 0, &operation) == TUTTI_SUCCESS);
  EXPECT(tutti_compression_start(compression, is_last ? NULL : data, COUNT, 1, &second) == INVALID && second == NULL);
  EXPECT(is_last || says("the last call is not complete"));
  if (!is_last) MPI_Barrier(MPI_COMM_WORLD);
  finish(TUTTI_SUCCESS, operation);
  EXPECT(tutti_compression_facts(NULL, 0, &facts) == INVALID && says("compression is NULL"));
  EXPECT(tutti_compression_facts(compression, 0, NULL) == INVALID && says("facts is NULL"));
  EXPECT(tutti_compression_facts(compression, TENSORS, &facts) == INVALID && says("no tensor 3"));
  EXPECT(tutti_compression_arrays(NULL, &count) == INVALID && says("compression is NULL"));
  EXPECT(tutti_compression_arrays(compression, NULL) == INVALID && says("count is NULL"));
  EXPECT(tutti_compression_array_at(NULL, 0, &array) == INVALID && says("compression is NULL"));
  EXPECT(tutti_compression_array_at(compression, 0, NULL) == INVALID && says("array is NULL"));
  EXPECT(tutti_compression_array_at(compression, 1000, &array) == INVALID && says("no array 1000"));
  tutti_compression_free(compression);
}

/* The last rank is wrong alone, and the others learn of it. */
static void test_wrong_alone(void) {
  static float data[COUNT]; /* MPI may touch it after a failure */
  const char* const texts[] = {"unknown codec 'zip'", "the codec is NULL", "lies outside", "the place"};
  for (int turn = 0; turn < 4; ++turn) {
    tutti_comm* comm = NULL;
    EXPECT(tutti_comm_create(MPI_COMM_WORLD, 20, &comm) == TUTTI_SUCCESS);
    const int is_wrong = rank == size - 1;
    tutti_compression* compression = create(comm, "bf16", TUTTI_SUM);
    tutti_request* operation = NULL;
    tutti_result result = TUTTI_SUCCESS;
    if (turn < 2) {
      result = tutti_compressed_allreduce(comm, data, COUNT, TUTTI_SUM,
                                          !is_wrong   ? "bf16"
                                          : turn == 0 ? "zip"
                                                      : NULL,
                                          0);
    } else {
      const size_t count = is_wrong && turn == 2 ? 2000 : COUNT;
      result = tutti_compression_start(compression, data, count, 0, is_wrong && turn == 3 ? NULL : &operation);
      if (result == TUTTI_SUCCESS) result = tutti_wait(operation);
      tutti_request_free(operation);
    }
    EXPECT(result == (is_wrong ? INVALID : TUTTI_ERROR_COMMUNICATION) && says(texts[turn]));
    tutti_compression_free(compression);
    tutti_comm_free(comm);
    MPI_Barrier(MPI_COMM_WORLD);
  }
}

int main(int argc, char** argv) {
  MPI_Init(&argc, &argv);
  MPI_Comm_rank(MPI_COMM_WORLD, &rank);
  MPI_Comm_size(MPI_COMM_WORLD, &size);
  tutti_comm* comm = NULL;
  EXPECT(tutti_comm_create(MPI_COMM_WORLD, 30, &comm) == TUTTI_SUCCESS);
  test_one_call(comm);
  test_conserves(comm, "bf16:feedback=on", TUTTI_SUM, 0);
  test_conserves(comm, "topk:density=0.05", TUTTI_SUM, 0);
  test_conserves(comm, "topk:density=0.05,reselect=on", TUTTI_SUM, 0);
  /* Averages are rounded once a call, by half a unit of 2^-24 of at most 2^14 with what is held back. */
  test_conserves(comm, "bf16:feedback=on", TUTTI_AVG, size * STEPS * ldexp(1, 14 - 24));
  test_restores(comm, "bf16:feedback=on");
  test_restores(comm, "int8");
  test_counts_what_is_written(comm, "int8");
  test_counts_what_is_written(comm, "topk:density=0.05");
  test_restores(comm, "powersgd:rank=2");
  test_restores(comm, "dgc:density=0.05,reselect=on");
  test_facts(comm);
  test_kinds(comm);
  test_draws(comm);
  for (int turn = 0; turn < 3; ++turn) {
    test_wrong_calls(comm);
    test_wrong_compressions(comm);
    test_one_call(comm);
  }
  EXPECT(tutti_comm_unusable(comm) == 0);
  tutti_comm_free(comm);
  test_wrong_alone();
  int worst = 0;
  MPI_Allreduce(&failures, &worst, 1, MPI_INT, MPI_MAX, MPI_COMM_WORLD);
  MPI_Finalize();
  return worst == 0 ? 0 : 1;
}
