/* What a C program sets up or collects and then starts: persistent operations, groups of messages and of allreduces;
 * and reductions by functions of its own. Exit status 0 if all is well on all ranks. */
#include <stdint.h>

#include <tests/allreduce/c_expect.h>

#define MOST_RANKS 8
#define BLOCK ((size_t)700)
#define TENSORS 12 /* of a group */

static const tutti_result invalid = TUTTI_ERROR_INVALID_ARGUMENT;
static int32_t in[MOST_RANKS * BLOCK];
static int32_t out[MOST_RANKS * BLOCK];

/* Element i of what rank r has in turn t. */
static int32_t value(int turn, int r, size_t i) { return (int32_t)(100000 * turn + 10000 * (r + 1) + (int)i); }
static int32_t sum(int turn, size_t i) {
  int32_t all = 0;
  for (int r = 0; r < size; ++r) all += value(turn, r, i);
  return all;
}

static void fill(int turn) {
  for (size_t i = 0; i < MOST_RANKS * BLOCK; ++i) {
    in[i] = value(turn, rank, i);
    out[i] = -1;
  }
}

/* ---- Persistent operations */

enum {
  of_allreduce,
  of_broadcast,
  of_all_gather,
  of_gather,
  of_scatter,
  of_reduce_scatter,
  of_reduce,
  of_all_to_all,
  of_barrier,
  kinds
};

static tutti_result set_up(tutti_comm* comm, int kind, int root, tutti_request** operation) {
  if (kind == of_allreduce) return tutti_allreduce_init(comm, in, out, BLOCK, TUTTI_I32, TUTTI_SUM, operation);
  if (kind == of_broadcast) return tutti_broadcast_init(comm, in, BLOCK, TUTTI_I32, root, operation);
  if (kind == of_all_gather) return tutti_all_gather_init(comm, in, out, BLOCK, TUTTI_I32, operation);
  if (kind == of_gather) return tutti_gather_init(comm, in, out, BLOCK, TUTTI_I32, root, operation);
  if (kind == of_scatter) return tutti_scatter_init(comm, in, out, BLOCK, TUTTI_I32, root, operation);
  if (kind == of_reduce_scatter)
    return tutti_reduce_scatter_init(comm, in, out, BLOCK, TUTTI_I32, TUTTI_SUM, operation);
  if (kind == of_reduce) return tutti_reduce_init(comm, in, out, BLOCK, TUTTI_I32, TUTTI_SUM, root, operation);
  if (kind == of_all_to_all) return tutti_all_to_all_init(comm, in, out, BLOCK, TUTTI_I32, operation);
  return tutti_barrier_init(comm, operation);
}

/* Element i of the result, which is in `out`, or for a broadcast in `in`. */
static int32_t result(int kind, int turn, int root, size_t i) {
  const int r = (int)(i / BLOCK);
  const size_t own = (size_t)rank * BLOCK;
  if (kind == of_broadcast) return value(turn, root, i);
  if (kind == of_all_gather || kind == of_gather) return value(turn, r, i % BLOCK);
  if (kind == of_scatter) return value(turn, root, own + i);
  if (kind == of_reduce_scatter) return sum(turn, own + i);
  if (kind == of_all_to_all) return value(turn, r, own + i % BLOCK);
  return sum(turn, i);
}

static void test_persistent(tutti_comm* comm, int kind, int root) {
  const int has_all = kind == of_all_gather || kind == of_gather || kind == of_all_to_all;
  const int is_here = (kind != of_gather && kind != of_reduce) || rank == root;
  const size_t n = kind == of_barrier || !is_here ? 0 : has_all ? (size_t)size * BLOCK : BLOCK;
  const int32_t* const data = kind == of_broadcast ? in : out;
  tutti_request* operation = NULL;
  int complete = 0;
  EXPECT(set_up(comm, kind, root, &operation) == TUTTI_SUCCESS && operation != NULL);
  EXPECT(tutti_wait(operation) == TUTTI_SUCCESS); /* complete before the first start */
  for (int turn = 0; turn < 3; ++turn) {
    fill(turn);
    EXPECT(tutti_start(operation) == TUTTI_SUCCESS);
    for (complete = 0; turn == 1 && complete == 0;) {
      if (tutti_test(operation, &complete) != TUTTI_SUCCESS) break;
    }
    EXPECT(tutti_wait(operation) == TUTTI_SUCCESS);
    int wrong = 0;
    for (size_t i = 0; i < n; ++i) wrong += data[i] != result(kind, turn, root, i);
    EXPECT(wrong == 0);
  }
  tutti_request_free(operation);
}

static void test_persistent_errors(tutti_comm* comm) {
  tutti_request* operation = NULL;
  EXPECT(tutti_allreduce_init(comm, NULL, out, 4, TUTTI_I32, TUTTI_SUM, &operation) == invalid && operation == NULL);
  EXPECT(says("input is null"));
  EXPECT(tutti_barrier_init(comm, NULL) == invalid && says("place for the operation is NULL"));
  EXPECT(tutti_barrier_init(NULL, &operation) == invalid && says("communicator is NULL"));
  EXPECT(tutti_start(NULL) == invalid && says("tutti_start"));
  EXPECT(tutti_ibarrier(comm, &operation) == TUTTI_SUCCESS);
  EXPECT(tutti_start(operation) == invalid && says("not a persistent one"));
  EXPECT(tutti_wait(operation) == TUTTI_SUCCESS);
  tutti_request_free(operation);

  EXPECT(tutti_barrier_init(comm, &operation) == TUTTI_SUCCESS && tutti_start(operation) == TUTTI_SUCCESS);
  if (size > 1) EXPECT(tutti_start(operation) == invalid && says("before the last one was waited for"));
  EXPECT(tutti_wait(operation) == TUTTI_SUCCESS);
  tutti_request_free(operation);
  EXPECT(tutti_comm_unusable(comm) == 0);
}

/* ---- Groups */

/* Every rank exchanges with every rank, itself included, sends first; the group is filled anew. */
static void test_message_group(tutti_comm* comm) {
  tutti_message_group* group = NULL;
  EXPECT(tutti_message_group_create(comm, &group) == TUTTI_SUCCESS && group != NULL);
  for (int turn = 0; turn < 3; ++turn) {
    tutti_request* operation = NULL;
    int sources[MOST_RANKS] = {0};
    fill(turn);
    for (int r = 0; r < size; ++r) {
      sources[r] = -7;
      EXPECT(tutti_message_group_send(group, in + (size_t)r * BLOCK, BLOCK, TUTTI_I32, r) == TUTTI_SUCCESS);
      EXPECT(tutti_message_group_receive(group, out + (size_t)r * BLOCK, BLOCK, TUTTI_I32, r, &sources[r]) ==
             TUTTI_SUCCESS);
    }
    EXPECT(tutti_message_group_start(group, &operation) == TUTTI_SUCCESS && tutti_wait(operation) == TUTTI_SUCCESS);
    int wrong = 0;
    for (size_t i = 0; i < (size_t)size * BLOCK; ++i) wrong += out[i] != result(of_all_to_all, turn, 0, i);
    for (int r = 0; r < size; ++r) wrong += sources[r] != r;
    EXPECT(wrong == 0);
    tutti_request_free(operation);
  }
  tutti_request* nothing = NULL;
  int complete = 0;
  EXPECT(tutti_message_group_start(group, &nothing) == TUTTI_SUCCESS);
  EXPECT(tutti_test(nothing, &complete) == TUTTI_SUCCESS && complete == 1);
  tutti_request_free(nothing);
  EXPECT(tutti_message_group_create(comm, NULL) == invalid && says("NULL"));
  EXPECT(tutti_message_group_send(NULL, in, 1, TUTTI_I32, 0) == invalid && says("group is NULL"));
  EXPECT(tutti_message_group_receive(NULL, in, 1, TUTTI_I32, 0, NULL) == invalid && says("group is NULL"));
  EXPECT(tutti_message_group_start(NULL, &nothing) == invalid && says("group is NULL") && nothing == NULL);
  tutti_message_group_free(group);
  tutti_message_group_free(NULL);
}

/* Wrong members and a missing place for the operation take the communicator along, since the peer may wait. */
static void test_message_group_errors(void) {
  for (int turn = 0; turn < 2; ++turn) {
    tutti_comm* comm = NULL;
    tutti_message_group* group = NULL;
    EXPECT(tutti_comm_create(MPI_COMM_WORLD, 20, &comm) == TUTTI_SUCCESS);
    EXPECT(tutti_message_group_create(comm, &group) == TUTTI_SUCCESS);
    if (turn == 0) {
      EXPECT(tutti_message_group_send(group, in, 1, TUTTI_I32, size) == invalid && says("send to rank"));
    } else {
      EXPECT(tutti_message_group_start(group, NULL) == invalid && says("place for the operation is NULL"));
    }
    EXPECT(tutti_comm_unusable(comm) == 1);
    tutti_message_group_free(group);
    tutti_comm_free(comm);
  }
}

static void test_allreduce_group(tutti_comm* comm) {
  static float tensors[TENSORS][40000];
  for (int fused = 0; fused < 3; ++fused) { /* by default, nothing, everything */
    const size_t bytes = fused == 0 ? TUTTI_DEFAULT_BYTES : fused == 1 ? 0 : sizeof tensors;
    tutti_allreduce_group* group = NULL;
    tutti_request* operation = NULL;
    EXPECT(tutti_allreduce_group_create(comm, bytes, fused == 0 ? TUTTI_DEFAULT_BYTES : sizeof tensors, &group) ==
           TUTTI_SUCCESS);
    for (int turn = 0; turn < 2; ++turn) {
      for (int t = 0; t < TENSORS; ++t) {
        const size_t n = t % 4 == 3 ? 40000 : (size_t)(100 * t + 1);
        for (size_t i = 0; i < n; ++i) tensors[t][i] = (float)(rank + t + (int)(i % 100));
        EXPECT(tutti_allreduce_group_add(group, tensors[t], n, TUTTI_F32, TUTTI_AVG) == TUTTI_SUCCESS);
      }
      EXPECT(tutti_allreduce_group_start(group, &operation) == TUTTI_SUCCESS);
      EXPECT(tutti_wait(operation) == TUTTI_SUCCESS);
      tutti_request_free(operation);
      int wrong = 0;
      for (int t = 0; t < TENSORS; ++t) {
        const size_t n = t % 4 == 3 ? 40000 : (size_t)(100 * t + 1);
        /* Sums of integers are exact, and so is the one division. */
        for (size_t i = 0; i < n; ++i) {
          const int of_ranks = size * (size - 1) / 2;
          const float all = (float)(size * (t + (int)(i % 100)) + of_ranks);
          wrong += tensors[t][i] != all / (float)size;
        }
      }
      EXPECT(wrong == 0);
    }
    tutti_allreduce_group_free(group);
  }
  tutti_allreduce_group* group = NULL;
  tutti_request* operation = NULL;
  EXPECT(tutti_allreduce_group_create(NULL, 0, 0, &group) == invalid && says("communicator is NULL") && group == NULL);
  EXPECT(tutti_allreduce_group_create(comm, 0, 0, NULL) == invalid);
  EXPECT(tutti_allreduce_group_add(NULL, in, 1, TUTTI_I32, TUTTI_SUM) == invalid && says("group is NULL"));
  EXPECT(tutti_allreduce_group_start(NULL, &operation) == invalid && says("group is NULL"));
  EXPECT(tutti_allreduce_group_create(comm, 0, 0, &group) == TUTTI_SUCCESS);
  EXPECT(tutti_allreduce_group_start(group, NULL) == invalid && says("place for the operation is NULL"));
  EXPECT(tutti_allreduce_group_add(group, NULL, 3, TUTTI_F32, TUTTI_SUM) == TUTTI_SUCCESS);
  EXPECT(tutti_allreduce_group_start(group, &operation) == invalid && says("null") && operation == NULL);
  tutti_allreduce_group_free(group);
  tutti_allreduce_group_free(NULL);
  EXPECT(tutti_comm_unusable(comm) == 0);
}

/* One rank fuses otherwise than the others, which shows as calls that differ. The tensors are static because MPI may
 * touch them after a failure. */
static void test_fusing_alone(void) {
  static float tensors[3][2][20000];
  for (int turn = 0; turn < 3 && size > 1; ++turn) {
    const int is_other = rank == size - 1;
    const size_t count = turn == 2 ? 20000 : 10; /* 80 kB are not fused by default */
    const size_t fused_bytes = is_other && turn != 1 ? (turn == 0 ? 0 : 80000) : TUTTI_DEFAULT_BYTES;
    const size_t piece_bytes = turn == 1 && is_other ? 1 : TUTTI_DEFAULT_BYTES;
    tutti_comm* comm = NULL;
    tutti_allreduce_group* group = NULL;
    tutti_request* operation = NULL;
    EXPECT(tutti_comm_create(MPI_COMM_WORLD, 20, &comm) == TUTTI_SUCCESS);
    EXPECT(tutti_allreduce_group_create(comm, fused_bytes, piece_bytes, &group) == TUTTI_SUCCESS);
    for (int t = 0; t < 2; ++t) {
      EXPECT(tutti_allreduce_group_add(group, tensors[turn][t], count, TUTTI_F32, TUTTI_SUM) == TUTTI_SUCCESS);
    }
    tutti_result result = tutti_allreduce_group_start(group, &operation);
    if (result == TUTTI_SUCCESS) result = tutti_wait(operation);
    EXPECT(result == TUTTI_ERROR_COMMUNICATION && says(turn == 2 ? "f32 x 20000" : "f32 x 10"));
    tutti_request_free(operation);
    tutti_allreduce_group_free(group);
    tutti_comm_free(comm);
    MPI_Barrier(MPI_COMM_WORLD);
  }
}

/* ---- Functions of the program */

/* x -> a x + b modulo 2^32: putting such maps one after another is associative, and not commutative. */
typedef struct affine {
  uint32_t a;
  uint32_t b;
} affine;

/* memcpy_s, which clang-tidy would rather have, is no part of the C library here. */
static void copy(void* to, const void* from, size_t bytes) {
  memcpy(to, from, bytes); /* NOLINT(clang-analyzer-security.insecureAPI.DeprecatedOrUnsafeBufferHandling) */
}

static void compose(const void* left, const void* right, void* to, size_t count, void* context) {
  for (size_t i = 0; i < count; ++i) {
    affine first = {0, 0};
    affine second = {0, 0};
    copy(&first, (const char*)left + i * sizeof(affine), sizeof(affine));
    copy(&second, (const char*)right + i * sizeof(affine), sizeof(affine));
    const affine both = {second.a * first.a, second.a * first.b + second.b};
    copy((char*)to + i * sizeof(affine), &both, sizeof(affine));
  }
  ++*(int*)context;
}

static affine map_of(int r, size_t i) {
  const affine map = {2 * (uint32_t)r + 3, (uint32_t)(17 * r) + (uint32_t)i};
  return map;
}

static int is_composition(affine map, size_t i) {
  affine all = map_of(0, i);
  int unused = 0;
  for (int r = 1; r < size; ++r) {
    const affine next = map_of(r, i);
    compose(&all, &next, &all, 1, &unused);
  }
  return map.a == all.a && map.b == all.b;
}

#define MAPS ((size_t)300) /* of a rank */

static affine maps[MOST_RANKS * MAPS];
static affine composed[MAPS];

static void fill_maps(void) {
  for (size_t i = 0; i < MOST_RANKS * MAPS; ++i) maps[i] = map_of(rank, i);
  for (size_t i = 0; i < MAPS; ++i) composed[i].a = composed[i].b = 0;
}

static int wrong_maps(const affine* data, size_t first) {
  int wrong = 0;
  for (size_t i = 0; i < MAPS; ++i) wrong += !is_composition(data[i], first + i);
  return wrong;
}

static void test_functions(tutti_comm* comm) {
  tutti_user_op* function = NULL;
  tutti_request* operation = NULL;
  int calls = 0;
  EXPECT(tutti_user_op_create("compose", sizeof(affine), 0, compose, &calls, &function) == TUTTI_SUCCESS);
  for (int form = 0; form < 2; ++form) {
    operation = NULL;
    fill_maps();
    EXPECT((form == 0 ? tutti_allreduce_op(comm, maps, MAPS, function)
                      : tutti_iallreduce_op(comm, maps, MAPS, function, &operation)) == TUTTI_SUCCESS);
    if (form == 1) EXPECT(tutti_wait(operation) == TUTTI_SUCCESS);
    EXPECT(wrong_maps(maps, 0) == 0);
    tutti_request_free(operation);

    operation = NULL;
    fill_maps();
    EXPECT((form == 0 ? tutti_reduce_op(comm, maps, composed, MAPS, function, size - 1)
                      : tutti_ireduce_op(comm, maps, composed, MAPS, function, size - 1, &operation)) == TUTTI_SUCCESS);
    if (form == 1) EXPECT(tutti_wait(operation) == TUTTI_SUCCESS);
    EXPECT(rank != size - 1 || wrong_maps(composed, 0) == 0);
    tutti_request_free(operation);

    operation = NULL;
    fill_maps();
    EXPECT((form == 0 ? tutti_reduce_scatter_op(comm, maps, composed, MAPS, function)
                      : tutti_ireduce_scatter_op(comm, maps, composed, MAPS, function, &operation)) == TUTTI_SUCCESS);
    if (form == 1) EXPECT(tutti_wait(operation) == TUTTI_SUCCESS);
    EXPECT(wrong_maps(composed, (size_t)rank * MAPS) == 0);
    tutti_request_free(operation);
  }
  EXPECT(size == 1 || calls > 0);

  /* The function may be freed while it is in use. */
  fill_maps();
  EXPECT(tutti_iallreduce_op(comm, maps, MAPS, function, &operation) == TUTTI_SUCCESS);
  tutti_user_op_free(function);
  EXPECT(tutti_wait(operation) == TUTTI_SUCCESS && wrong_maps(maps, 0) == 0);
  tutti_request_free(operation);

  EXPECT(tutti_allreduce_op(comm, maps, MAPS, NULL) == invalid && says("user-defined operator is null"));
  EXPECT(tutti_iallreduce_op(comm, maps, MAPS, NULL, NULL) == invalid && says("place for the operation"));
  EXPECT(tutti_user_op_create(NULL, 8, 1, compose, NULL, &function) == invalid && says("name is NULL"));
  EXPECT(tutti_user_op_create("f", 8, 1, NULL, NULL, &function) == invalid && says("reduce is NULL"));
  EXPECT(tutti_user_op_create("f", 0, 1, compose, NULL, &function) == invalid && says("0 bytes"));
  EXPECT(function == NULL);
  EXPECT(tutti_user_op_create("f", 8, 1, compose, NULL, NULL) == invalid);
  EXPECT(tutti_user_op_create("f", 8, 1, compose, &calls, &function) == TUTTI_SUCCESS);
  EXPECT(tutti_allreduce_op(comm, maps, SIZE_MAX / 4, function) == invalid);
  tutti_user_op_free(function);
  tutti_user_op_free(NULL);
  EXPECT(tutti_comm_unusable(comm) == 0);
}

int main(int argc, char** argv) {
  MPI_Init(&argc, &argv);
  MPI_Comm_rank(MPI_COMM_WORLD, &rank);
  MPI_Comm_size(MPI_COMM_WORLD, &size);
  tutti_comm* comm = NULL;
  EXPECT(size <= MOST_RANKS);
  EXPECT(tutti_comm_create(MPI_COMM_WORLD, 30, &comm) == TUTTI_SUCCESS);
  for (int kind = 0; kind < kinds; ++kind) {
    test_persistent(comm, kind, 0);
    test_persistent(comm, kind, size - 1);
  }
  test_persistent_errors(comm);
  test_message_group(comm);
  test_message_group_errors();
  test_allreduce_group(comm);
  test_fusing_alone();
  test_functions(comm);
  tutti_comm_free(comm);
  int worst = 0;
  MPI_Allreduce(&failures, &worst, 1, MPI_INT, MPI_MAX, MPI_COMM_WORLD);
  MPI_Finalize();
  return worst == 0 ? 0 : 1;
}
