/* The errors of the C interface as a C program gets them: calls that are wrong on all ranks alike, on one alone, and
 * operations given up. Exit status 0 if all is well on all ranks. */
#include <stdint.h>

#include <tests/allreduce/c_expect.h>

#define MOST_RANKS 8

static int32_t in[4 * MOST_RANKS];
static int32_t out[4 * MOST_RANKS];

static void test_wrong_alike(tutti_comm* comm) {
  const size_t counts[MOST_RANKS] = {1, 1, 1, 1, 1, 1, 1, 1};
  const size_t endless[MOST_RANKS] = {SIZE_MAX, SIZE_MAX, SIZE_MAX, SIZE_MAX, SIZE_MAX, SIZE_MAX, SIZE_MAX, SIZE_MAX};
  const tutti_result invalid = TUTTI_ERROR_INVALID_ARGUMENT;
  tutti_request* operation = NULL;
  int complete = 0;
  EXPECT(tutti_all_gather(comm, NULL, out, 4, TUTTI_I32) == invalid && says("input is null"));
  EXPECT(tutti_all_gather(comm, in, out, 4, (tutti_dtype)99) == invalid && says("dtype 99"));
  EXPECT(tutti_gather(comm, in, out, 4, TUTTI_I32, size) == invalid && says("root"));
  EXPECT(tutti_scatter(comm, in, out, 4, TUTTI_I32, -1) == invalid && says("root -1 is out of range"));
  EXPECT(tutti_reduce_scatter(comm, in, out, 4, TUTTI_I32, (tutti_op)77) == invalid && says("operator 77"));
  EXPECT(tutti_reduce(comm, in, out, 4, TUTTI_F32, TUTTI_BIT_OR, 0) == invalid && says("bit_or"));
  EXPECT(tutti_all_to_all(comm, in, in, 4, TUTTI_I32) == invalid && says("overlap"));
  EXPECT(tutti_allreduce(comm, out, SIZE_MAX, TUTTI_F32, TUTTI_SUM) == invalid && says("more than memory"));
  EXPECT(tutti_broadcast(comm, out, SIZE_MAX / 4 + 2, TUTTI_I32, 0) == invalid && says("more than memory"));
  EXPECT(tutti_all_gather(comm, in, out, SIZE_MAX / 2 + 1, TUTTI_I32) == invalid && says("more than memory"));
  EXPECT(tutti_all_gather(comm, in, out, SIZE_MAX / 8 + 1, TUTTI_I32) == invalid && says("more than memory"));
  EXPECT(tutti_all_to_all(comm, in, out, SIZE_MAX / 4, TUTTI_I32) == invalid && says("more than memory"));
  if (size > 1) {
    EXPECT(tutti_all_to_all_v(comm, in, endless, out, endless, TUTTI_I32) == invalid && says("more than memory"));
  }
  EXPECT(tutti_all_gather_v(comm, in, out, NULL, TUTTI_I32) == invalid && says("0 counts"));
  EXPECT(tutti_gather_v(comm, in, out, NULL, TUTTI_I32, 0) == invalid && says("0 counts"));
  EXPECT(tutti_scatter_v(comm, in, out, counts, TUTTI_I32, size) == invalid && says("root"));
  EXPECT(tutti_reduce_scatter_v(comm, in, out, endless, TUTTI_I32, TUTTI_SUM) == invalid && says("more than memory"));
  EXPECT(tutti_all_to_all_v(comm, in, counts, out, NULL, TUTTI_I32) == invalid && says("0 counts"));
  EXPECT(tutti_ibarrier(comm, NULL) == invalid && says("place for the operation is NULL") && says("#"));
  EXPECT(tutti_ireduce(comm, in, NULL, 4, TUTTI_I32, TUTTI_SUM, size + 1, &operation) == invalid && operation == NULL);
  EXPECT(tutti_barrier(NULL) == invalid && tutti_send(NULL, in, 1, TUTTI_I32, 0) == invalid);
  EXPECT(tutti_iallreduce(NULL, in, 1, TUTTI_I32, TUTTI_SUM, &operation) == invalid && says("NULL"));
  EXPECT(tutti_wait(NULL) == invalid && says("tutti_wait"));
  EXPECT(tutti_test(NULL, &complete) == invalid && says("tutti_test"));
  EXPECT(tutti_ibarrier(comm, &operation) == TUTTI_SUCCESS);
  EXPECT(tutti_test(operation, NULL) == invalid && says("complete is NULL"));
  EXPECT(tutti_wait(operation) == TUTTI_SUCCESS);
  tutti_request_free(operation);
  EXPECT(tutti_comm_unusable(comm) == 0);
}

/* The last rank is wrong alone or leaves; the others wait for it. Each turn has a communicator of its own. */
static void test_errors_between_ranks(void) {
  static float data[100];
  for (int turn = 0; turn < 6; ++turn) {
    tutti_comm* comm = NULL;
    const char* text = "";
    tutti_result result = TUTTI_SUCCESS;
    tutti_result expected = TUTTI_ERROR_INVALID_ARGUMENT;
    EXPECT(tutti_comm_create(MPI_COMM_WORLD, 20, &comm) == TUTTI_SUCCESS);
    if (turn == 0) text = "there is no dtype 99";
    if (turn == 1) text = "there are 0 counts";
    if (turn == 2) text = "the place for the operation is NULL";
    if (turn == 3) text = "send or receive: the place for the operation is NULL";
    if (turn == 4) text = "the disk is full";
    if (turn == 5) text = "f32 x 4 as message #0, rank";
    if (rank != size - 1) {
      expected = TUTTI_ERROR_COMMUNICATION;
      result = turn == 5 && rank == 0 ? tutti_receive(comm, data, 5, TUTTI_F32, size - 1, NULL) : tutti_barrier(comm);
      if (turn == 5 && rank == 0) EXPECT(says("awaits f32 x 5"));
    } else if (turn == 0) {
      result = tutti_all_to_all(comm, data, data + 50, 1, (tutti_dtype)99);
    } else if (turn == 1) {
      result = tutti_all_gather_v(comm, data, data + 50, NULL, TUTTI_F32);
    } else if (turn == 2) {
      result = tutti_iallreduce(comm, data, 5, TUTTI_F32, TUTTI_SUM, NULL);
    } else if (turn == 3) {
      result = tutti_ireceive(comm, data, 5, TUTTI_F32, 0, NULL, NULL);
      EXPECT(size > 1 || tutti_comm_unusable(comm) == 1);
    } else if (turn == 4) {
      EXPECT(tutti_comm_abandon(comm, "the disk is full") == TUTTI_SUCCESS && tutti_comm_unusable(comm) == 1);
      expected = TUTTI_ERROR_COMMUNICATION;
      result = tutti_barrier(comm);
    } else if (size > 1) {
      result = tutti_send(comm, data, 4, TUTTI_F32, 0);
      if (result == TUTTI_SUCCESS) result = tutti_barrier(comm);
      expected = TUTTI_ERROR_COMMUNICATION;
    } else {
      result = tutti_send(comm, data, 4, TUTTI_F32, 7);
      text = "there is only rank 0";
    }
    EXPECT(result == expected && says(text));
    if (size > 1) {
      EXPECT(tutti_barrier(comm) == TUTTI_ERROR_COMMUNICATION && tutti_comm_unusable(comm) == 1);
    }
    tutti_comm_free(comm);
    MPI_Barrier(MPI_COMM_WORLD);
  }
}

/* Freeing what is not complete takes the communicator along. */
static void test_given_up(void) {
  static float data[100];
  tutti_comm* comm = NULL;
  EXPECT(tutti_comm_create(MPI_COMM_WORLD, 20, &comm) == TUTTI_SUCCESS);
  if (size > 1 && rank == 0) {
    tutti_request* operation = NULL;
    EXPECT(tutti_ireceive(comm, data, 100, TUTTI_F32, TUTTI_ANY_SOURCE, NULL, &operation) == TUTTI_SUCCESS);
    tutti_request_free(operation);
    EXPECT(tutti_comm_unusable(comm) == 1);
  } else if (size > 1) {
    EXPECT(tutti_barrier(comm) == TUTTI_ERROR_COMMUNICATION && says("given up"));
  }
  tutti_comm_free(comm);
}

int main(int argc, char** argv) {
  MPI_Init(&argc, &argv);
  MPI_Comm_rank(MPI_COMM_WORLD, &rank);
  MPI_Comm_size(MPI_COMM_WORLD, &size);
  tutti_comm* comm = NULL;
  int32_t one = 1;
  EXPECT(size <= MOST_RANKS);
  EXPECT(tutti_comm_create(MPI_COMM_WORLD, 30, &comm) == TUTTI_SUCCESS);
  test_wrong_alike(comm);
  EXPECT(tutti_allreduce(comm, &one, 1, TUTTI_I32, TUTTI_SUM) == TUTTI_SUCCESS && one == size);
  tutti_comm_free(comm);
  test_errors_between_ranks();
  test_given_up();
  int worst = 0;
  MPI_Allreduce(&failures, &worst, 1, MPI_INT, MPI_MAX, MPI_COMM_WORLD);
  MPI_Finalize();
  return worst == 0 ? 0 : 1;
}
