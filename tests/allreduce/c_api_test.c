/* The C interface as a C program uses it: communicators, memory, allreduce, broadcast, on every rank, with their
 * errors. Exit status 0 if all is well on all ranks. */
#include <math.h>
#include <stdint.h>

#include <tests/allreduce/c_expect.h>

static void test_before_use(void) {
  EXPECT(strcmp(tutti_error_text(), "") == 0);
  EXPECT(strcmp(tutti_version(), TUTTI_VERSION) == 0);
}

static void test_allreduce(tutti_comm* comm) {
  double data[3] = {1.0, rank, -2.0};
  EXPECT(tutti_allreduce(comm, data, 3, TUTTI_F64, TUTTI_SUM) == TUTTI_SUCCESS);
  EXPECT(data[0] == size && data[1] == size * (size - 1) / 2.0 && data[2] == -2.0 * size);
  uint8_t flag = rank == size - 1;
  EXPECT(tutti_allreduce(comm, &flag, 1, TUTTI_U8, TUTTI_LOGICAL_OR) == TUTTI_SUCCESS);
  EXPECT(flag == 1);
  int64_t largest = INT64_C(10) * rank;
  EXPECT(tutti_allreduce(comm, &largest, 1, TUTTI_I64, TUTTI_MAX) == TUTTI_SUCCESS);
  EXPECT(largest == INT64_C(10) * (size - 1));
  EXPECT(tutti_allreduce(comm, NULL, 0, TUTTI_F32, TUTTI_SUM) == TUTTI_SUCCESS);
}

static void test_broadcast(tutti_comm* comm) {
  int32_t data[1000];
  for (int i = 0; i < 1000; ++i) data[i] = rank * 1000 + i;
  EXPECT(tutti_broadcast(comm, data, 1000, TUTTI_I32, size - 1) == TUTTI_SUCCESS);
  for (int i = 0; i < 1000; ++i) EXPECT(data[i] == (size - 1) * 1000 + i);
}

static void test_memory(tutti_comm* comm) {
  void* memory = NULL;
  EXPECT(tutti_allocate(comm, 1001, TUTTI_F32, &memory) == TUTTI_SUCCESS);
  EXPECT(memory != NULL && (uintptr_t)memory % 64 == 0);
  if (memory == NULL) return;
  float* values = memory;
  for (int i = 0; i < 1001; ++i) EXPECT(values[i] == 0.0F);
  for (int i = 0; i < 1001; ++i) values[i] = 1.0F;
  EXPECT(tutti_allreduce(comm, values, 1001, TUTTI_F32, TUTTI_AVG) == TUTTI_SUCCESS);
  EXPECT(values[0] == 1.0F && values[1000] == 1.0F);
  EXPECT(tutti_free(comm, (char*)memory + 4) == TUTTI_ERROR_INVALID_ARGUMENT && says("tutti_free"));
  EXPECT(tutti_free(comm, memory) == TUTTI_SUCCESS);
  EXPECT(tutti_free(comm, memory) == TUTTI_ERROR_INVALID_ARGUMENT);
  EXPECT(tutti_free(comm, NULL) == TUTTI_SUCCESS);
  EXPECT(tutti_allocate(comm, 0, TUTTI_U8, &memory) == TUTTI_SUCCESS);
  EXPECT(tutti_free(comm, memory) == TUTTI_SUCCESS);
  EXPECT(tutti_allocate(comm, SIZE_MAX / 2, TUTTI_F64, &memory) == TUTTI_ERROR_OUT_OF_MEMORY && says("memory"));
  EXPECT(tutti_allocate(comm, 1, (tutti_dtype)12, &memory) == TUTTI_ERROR_INVALID_ARGUMENT && says("dtype 12"));
  EXPECT(tutti_allocate(comm, 1, TUTTI_F32, NULL) == TUTTI_ERROR_INVALID_ARGUMENT && says("NULL"));
  EXPECT(tutti_allocate(NULL, 1, TUTTI_F32, &memory) == TUTTI_ERROR_INVALID_ARGUMENT && says("NULL"));
  EXPECT(tutti_allocate(comm, 7, TUTTI_F32, &memory) == TUTTI_SUCCESS); /* left to tutti_comm_free */
}

static void test_wrong_alike(tutti_comm* comm) {
  float data[4] = {0};
  for (int turn = 0; turn < 10; ++turn) {
    EXPECT(tutti_allreduce(NULL, data, 4, TUTTI_F32, TUTTI_SUM) == TUTTI_ERROR_INVALID_ARGUMENT && says("NULL"));
    EXPECT(tutti_allreduce(comm, NULL, 4, TUTTI_F32, TUTTI_SUM) == TUTTI_ERROR_INVALID_ARGUMENT && says("null"));
    EXPECT(tutti_allreduce(comm, data, 4, (tutti_dtype)99, TUTTI_SUM) == TUTTI_ERROR_INVALID_ARGUMENT &&
           says("dtype 99"));
    EXPECT(tutti_allreduce(comm, data, 4, (tutti_dtype)256, TUTTI_SUM) == TUTTI_ERROR_INVALID_ARGUMENT &&
           says("dtype"));
    EXPECT(tutti_allreduce(comm, data, 4, TUTTI_F32, (tutti_op)10) == TUTTI_ERROR_INVALID_ARGUMENT &&
           says("operator 10"));
    EXPECT(tutti_allreduce(comm, data, 4, TUTTI_F32, (tutti_op)256) == TUTTI_ERROR_INVALID_ARGUMENT &&
           says("operator"));
    EXPECT(tutti_allreduce(comm, data, 4, TUTTI_F32, TUTTI_BIT_OR) == TUTTI_ERROR_INVALID_ARGUMENT && says("bit_or"));
    EXPECT(tutti_broadcast(comm, data, 4, TUTTI_F32, size) == TUTTI_ERROR_INVALID_ARGUMENT && says("root"));
    EXPECT(tutti_broadcast(comm, data, 4, (tutti_dtype)-1, 0) == TUTTI_ERROR_INVALID_ARGUMENT && says("dtype"));
    EXPECT(tutti_broadcast(NULL, data, 4, TUTTI_F32, 0) == TUTTI_ERROR_INVALID_ARGUMENT);
    EXPECT(tutti_allreduce(comm, data, 4, TUTTI_F32, TUTTI_SUM) == TUTTI_SUCCESS);
  }
}

static void test_creation(void) {
  tutti_comm* comm = NULL;
  EXPECT(tutti_comm_create(MPI_COMM_NULL, 0, &comm) == TUTTI_ERROR_INVALID_ARGUMENT && says("MPI_COMM_NULL"));
  EXPECT(tutti_comm_create(MPI_COMM_WORLD, 0, NULL) == TUTTI_ERROR_INVALID_ARGUMENT && says("NULL"));
  EXPECT(tutti_comm_create(MPI_COMM_WORLD, -1, &comm) == TUTTI_ERROR_INVALID_ARGUMENT && says("timeout"));
  EXPECT(tutti_comm_create(MPI_COMM_WORLD, (double)NAN, &comm) == TUTTI_ERROR_INVALID_ARGUMENT && says("timeout"));
  EXPECT(comm == NULL);
  tutti_comm_free(NULL);
  EXPECT(tutti_comm_create(MPI_COMM_SELF, 0, &comm) == TUTTI_SUCCESS && comm != NULL);
  EXPECT(tutti_comm_rank(comm) == 0 && tutti_comm_size(comm) == 1);
  tutti_comm_free(comm);
}

/* One rank alone passes a number that is no dtype or operator, and the others learn of it. The buffers are static
 * because MPI may touch them after a failure. */
static void test_wrong_alone(void) {
  static float data[2][100];
  for (int turn = 0; turn < 2; ++turn) {
    tutti_comm* comm = NULL;
    EXPECT(tutti_comm_create(MPI_COMM_WORLD, 20, &comm) == TUTTI_SUCCESS);
    const int is_wrong = rank == size - 1;
    const tutti_dtype dtype = is_wrong && turn == 0 ? (tutti_dtype)99 : TUTTI_F32;
    const tutti_op op = is_wrong && turn == 1 ? (tutti_op)99 : TUTTI_SUM;
    const tutti_result result = tutti_allreduce(comm, data[turn], 100, dtype, op);
    EXPECT(result == (is_wrong ? TUTTI_ERROR_INVALID_ARGUMENT : TUTTI_ERROR_COMMUNICATION));
    EXPECT(says(turn == 0 ? "there is no dtype 99" : "there is no operator 99"));
    if (size > 1) {
      EXPECT(tutti_allreduce(comm, data[turn], 1, TUTTI_F32, TUTTI_SUM) == TUTTI_ERROR_COMMUNICATION);
    }
    tutti_comm_free(comm);
    MPI_Barrier(MPI_COMM_WORLD);
  }
}

static void test_timeout(void) {
  static float data[100];
  tutti_comm* comm = NULL;
  EXPECT(tutti_comm_create(MPI_COMM_WORLD, 0.5, &comm) == TUTTI_SUCCESS);
  if (size > 1 && rank != 0) {
    EXPECT(tutti_allreduce(comm, data, 100, TUTTI_F32, TUTTI_SUM) == TUTTI_ERROR_COMMUNICATION &&
           says("no progress for 0.5 s"));
  }
  MPI_Barrier(MPI_COMM_WORLD);
  tutti_comm_free(comm);
}

int main(int argc, char** argv) {
  MPI_Init(&argc, &argv);
  MPI_Comm_rank(MPI_COMM_WORLD, &rank);
  MPI_Comm_size(MPI_COMM_WORLD, &size);
  test_before_use();
  tutti_comm* comm = NULL;
  EXPECT(tutti_comm_create(MPI_COMM_WORLD, 30, &comm) == TUTTI_SUCCESS);
  EXPECT(tutti_comm_rank(comm) == rank && tutti_comm_size(comm) == size);
  test_allreduce(comm);
  test_broadcast(comm);
  test_memory(comm);
  test_wrong_alike(comm);
  tutti_comm_free(comm);
  test_creation();
  test_wrong_alone();
  test_timeout();
  int worst = 0;
  MPI_Allreduce(&failures, &worst, 1, MPI_INT, MPI_MAX, MPI_COMM_WORLD);
  MPI_Finalize();
  return worst == 0 ? 0 : 1;
}
