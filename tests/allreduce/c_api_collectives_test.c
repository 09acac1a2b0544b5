/* The C interface as a C program uses it: every collective and message, called and started, parts of communicators.
 * Exit status 0 if all is well on all ranks. */
#include <stdint.h>

#include <tests/allreduce/c_expect.h>

#define BLOCK ((size_t)3000) /* elements */
#define MOST_RANKS 8
#define ALL_BLOCKS (MOST_RANKS * BLOCK)

static int32_t in[ALL_BLOCKS];
static int32_t out[ALL_BLOCKS];

/* Element i of what rank r has. */
static int32_t value(int r, size_t i) { return (int32_t)(1000000 * (r + 1) + (int)i); }
static int32_t value_of_all(size_t i) {
  int32_t sum = 0;
  for (int r = 0; r < size; ++r) sum += value(r, i);
  return sum;
}

static void fill(size_t n) {
  for (size_t i = 0; i < n; ++i) in[i] = value(rank, i);
  for (size_t i = 0; i < ALL_BLOCKS; ++i) out[i] = (int32_t)0xEEEEEEEE;
}

/* Elements [first, first + n) of `data` are elements [from, from + n) of rank r's; r = -1: of their sum. */
static int holds(const int32_t* data, size_t first, int r, size_t from, size_t n) {
  for (size_t i = 0; i < n; ++i) {
    const int32_t expected = r < 0 ? value_of_all(from + i) : value(r, from + i);
    if (data[first + i] != expected) return 0;
  }
  return 1;
}

static int untouched(void) {
  for (size_t i = 0; i < ALL_BLOCKS; ++i) {
    if (out[i] != (int32_t)0xEEEEEEEE) return 0;
  }
  return 1;
}

/* Calls the function, or starts it and waits. */
#define CALL(form, function, ...)                                                               \
  do {                                                                                          \
    if ((form) == 0) {                                                                          \
      EXPECT(tutti_##function(__VA_ARGS__) == TUTTI_SUCCESS);                                   \
    } else {                                                                                    \
      tutti_request* operation = NULL;                                                          \
      EXPECT(tutti_i##function(__VA_ARGS__, &operation) == TUTTI_SUCCESS && operation != NULL); \
      EXPECT(tutti_wait(operation) == TUTTI_SUCCESS);                                           \
      tutti_request_free(operation);                                                            \
    }                                                                                           \
  } while (0)

static void test_blocks(tutti_comm* comm, int form, size_t n, int root) {
  const size_t all = (size_t)size * n;
  const size_t own = (size_t)rank * n;
  fill(n);
  CALL(form, all_gather, comm, in, out, n, TUTTI_I32);
  for (int r = 0; r < size; ++r) EXPECT(holds(out, (size_t)r * n, r, 0, n));

  fill(n);
  CALL(form, gather, comm, in, rank == root ? out : NULL, n, TUTTI_I32, root);
  for (int r = 0; r < size && rank == root; ++r) EXPECT(holds(out, (size_t)r * n, r, 0, n));
  if (rank != root) EXPECT(untouched());

  fill(all);
  CALL(form, scatter, comm, rank == root ? in : NULL, out, n, TUTTI_I32, root);
  EXPECT(holds(out, 0, root, own, n));

  fill(all);
  CALL(form, reduce_scatter, comm, in, out, n, TUTTI_I32, TUTTI_SUM);
  EXPECT(holds(out, 0, -1, own, n));

  fill(n);
  CALL(form, reduce, comm, in, rank == root ? out : NULL, n, TUTTI_I32, TUTTI_SUM, root);
  EXPECT(rank == root ? holds(out, 0, -1, 0, n) : untouched());

  fill(all);
  CALL(form, all_to_all, comm, in, out, n, TUTTI_I32);
  for (int r = 0; r < size; ++r) EXPECT(holds(out, (size_t)r * n, r, own, n));

  fill(n);
  CALL(form, allreduce, comm, in, n, TUTTI_I32, TUTTI_SUM);
  EXPECT(holds(in, 0, -1, 0, n));

  fill(n);
  CALL(form, broadcast, comm, in, n, TUTTI_I32, root);
  EXPECT(holds(in, 0, root, 0, n));

  CALL(form, barrier, comm);
}

static void test_counts(tutti_comm* comm, int form, int root) {
  size_t counts[MOST_RANKS] = {0};
  size_t sends[MOST_RANKS] = {0}; /* 100 * from + to elements */
  size_t receives[MOST_RANKS] = {0};
  size_t first[MOST_RANKS + 1] = {0};
  size_t at = 0;
  for (int r = 0; r < size; ++r) {
    counts[r] = r == 1 ? 0 : (size_t)700 * (size_t)r + 5;
    first[r + 1] = first[r] + counts[r];
    sends[r] = (size_t)100 * (size_t)rank + (size_t)r;
    receives[r] = (size_t)100 * (size_t)r + (size_t)rank;
  }
  fill(counts[rank]);
  CALL(form, all_gather_v, comm, in, out, counts, TUTTI_I32);
  for (int r = 0; r < size; ++r) EXPECT(holds(out, first[r], r, 0, counts[r]));

  fill(counts[rank]);
  CALL(form, gather_v, comm, in, rank == root ? out : NULL, counts, TUTTI_I32, root);
  for (int r = 0; r < size && rank == root; ++r) EXPECT(holds(out, first[r], r, 0, counts[r]));
  if (rank != root) EXPECT(untouched());

  fill(first[size]);
  CALL(form, scatter_v, comm, rank == root ? in : NULL, out, counts, TUTTI_I32, root);
  EXPECT(holds(out, 0, root, first[rank], counts[rank]));

  fill(first[size]);
  CALL(form, reduce_scatter_v, comm, in, out, counts, TUTTI_I32, TUTTI_SUM);
  EXPECT(holds(out, 0, -1, first[rank], counts[rank]));

  fill(ALL_BLOCKS);
  CALL(form, all_to_all_v, comm, in, sends, out, receives, TUTTI_I32);
  for (int r = 0; r < size; ++r) {
    size_t from = 0; /* of this rank's block in rank r's data */
    for (int to = 0; to < rank; ++to) from += (size_t)100 * (size_t)r + (size_t)to;
    EXPECT(holds(out, at, r, from, receives[r]));
    at += receives[r];
  }
}

static void test_allreduce_into(tutti_comm* comm) {
  for (int form = 0; form < 2; ++form) {
    fill(BLOCK);
    CALL(form, allreduce_into, comm, in, out, BLOCK, TUTTI_I32, TUTTI_SUM);
    EXPECT(holds(in, 0, rank, 0, BLOCK) && holds(out, 0, -1, 0, BLOCK));
  }
  EXPECT(tutti_allreduce_into(comm, in, in + 1, BLOCK, TUTTI_I32, TUTTI_SUM) == TUTTI_ERROR_INVALID_ARGUMENT &&
         says("overlap"));
}

static void test_messages(tutti_comm* comm) {
  const int next = (rank + 1) % size;
  const int last = (rank + size - 1) % size;
  for (int turn = 0; turn < 4; ++turn) {
    const int from = turn % 2 == 0 ? last : TUTTI_ANY_SOURCE;
    const size_t n = turn < 2 ? 10 : BLOCK;
    tutti_request* sending = NULL;
    tutti_request* receiving = NULL;
    int source = -7;
    int complete = 0;
    fill(n);
    EXPECT(tutti_isend(comm, in, n, TUTTI_I32, next, &sending) == TUTTI_SUCCESS);
    EXPECT(tutti_receive(comm, out, n, TUTTI_I32, from, turn == 0 ? NULL : &source) == TUTTI_SUCCESS);
    EXPECT(turn == 0 || source == last);
    EXPECT(holds(out, 0, last, 0, n));
    EXPECT(tutti_wait(sending) == TUTTI_SUCCESS && tutti_wait(sending) == TUTTI_SUCCESS);
    EXPECT(tutti_test(sending, &complete) == TUTTI_SUCCESS && complete == 1);
    tutti_request_free(sending);
    EXPECT(tutti_barrier(comm) == TUTTI_SUCCESS);

    fill(n);
    source = -7;
    EXPECT(tutti_ireceive(comm, out, n, TUTTI_I32, from, &source, &receiving) == TUTTI_SUCCESS);
    EXPECT(tutti_test(receiving, &complete) == TUTTI_SUCCESS);
    EXPECT(tutti_send(comm, in, n, TUTTI_I32, next) == TUTTI_SUCCESS);
    complete = 0;
    while (complete == 0) {
      const tutti_result result = tutti_test(receiving, &complete);
      EXPECT(result == TUTTI_SUCCESS);
      if (result != TUTTI_SUCCESS) break;
    }
    EXPECT(source == last && holds(out, 0, last, 0, n));
    tutti_request_free(receiving);
    EXPECT(tutti_barrier(comm) == TUTTI_SUCCESS);
  }
}

static void test_many_under_way(tutti_comm* comm) {
  tutti_request* operations[20];
  static double data[20][500];
  for (int i = 0; i < 20; ++i) {
    for (int k = 0; k < 500; ++k) data[i][k] = i;
    EXPECT(tutti_iallreduce(comm, data[i], 500, TUTTI_F64, TUTTI_SUM, &operations[i]) == TUTTI_SUCCESS);
  }
  for (int i = 0; i < 20; ++i) {
    const int k = rank % 2 == 0 ? i : 19 - i;
    EXPECT(tutti_wait(operations[k]) == TUTTI_SUCCESS && data[k][499] == (double)size * k);
  }
  for (int i = 0; i < 20; ++i) tutti_request_free(operations[i]);
  tutti_request_free(NULL);
}

static void test_parts(tutti_comm* comm) {
  tutti_comm* part = NULL;
  EXPECT(tutti_comm_split(comm, rank % 2, -rank, &part) == TUTTI_SUCCESS && part != NULL);
  if (part != NULL) {
    const int members = (size + 1 - rank % 2) / 2;
    int32_t one = 1;
    EXPECT(tutti_comm_size(part) == members && tutti_comm_rank(part) == members - 1 - rank / 2);
    EXPECT(tutti_allreduce(part, &one, 1, TUTTI_I32, TUTTI_SUM) == TUTTI_SUCCESS && one == members);
    tutti_comm_free(part);
  }
  part = comm;
  EXPECT(tutti_comm_split(comm, rank == 0 ? 0 : -1, 0, &part) == TUTTI_SUCCESS && (part != NULL) == (rank == 0));
  tutti_comm_free(part);
  EXPECT(tutti_comm_local(comm, &part) == TUTTI_SUCCESS && tutti_comm_size(part) == size);
  tutti_comm_free(part);
  EXPECT(tutti_comm_cross(comm, &part) == TUTTI_SUCCESS && tutti_comm_size(part) == 1);
  tutti_comm_free(part);
  EXPECT(tutti_comm_split(comm, 0, 0, NULL) == TUTTI_ERROR_INVALID_ARGUMENT && says("NULL"));
  EXPECT(tutti_comm_split(NULL, 0, 0, &part) == TUTTI_ERROR_INVALID_ARGUMENT && says("NULL"));
}

int main(int argc, char** argv) {
  MPI_Init(&argc, &argv);
  MPI_Comm_rank(MPI_COMM_WORLD, &rank);
  MPI_Comm_size(MPI_COMM_WORLD, &size);
  tutti_comm* comm = NULL;
  EXPECT(size <= MOST_RANKS);
  EXPECT(tutti_comm_create(MPI_COMM_WORLD, 30, &comm) == TUTTI_SUCCESS);
  for (int form = 0; form < 2; ++form) {
    for (int root = 0; root < size; ++root) {
      test_blocks(comm, form, 7, root);
      test_blocks(comm, form, BLOCK, root);
      test_blocks(comm, form, 0, root);
      test_counts(comm, form, root);
    }
  }
  test_allreduce_into(comm);
  test_messages(comm);
  test_many_under_way(comm);
  test_parts(comm);
  tutti_comm_free(comm);
  int worst = 0;
  MPI_Allreduce(&failures, &worst, 1, MPI_INT, MPI_MAX, MPI_COMM_WORLD);
  MPI_Finalize();
  return worst == 0 ? 0 : 1;
}
