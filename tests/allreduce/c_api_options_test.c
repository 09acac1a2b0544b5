/* How a C program makes communicators: every option, right and wrong, alike and on one rank alone; where ranks live;
 * which algorithm runs. Exit status 0 if all is well on all ranks. */
#include <stdint.h>

#include <tests/allreduce/c_expect.h>

static tutti_comm_options defaults(void) {
  const tutti_comm_options options = {.struct_bytes = sizeof options};
  return options;
}

static void expect_sum(tutti_comm* comm) {
  static float data[10000];
  for (int i = 0; i < 10000; ++i) data[i] = (float)(rank + i);
  EXPECT(tutti_allreduce(comm, data, 10000, TUTTI_F32, TUTTI_SUM) == TUTTI_SUCCESS);
  const int of_ranks = size * (size - 1) / 2;
  for (int i = 0; i < 10000; ++i) EXPECT(data[i] == (float)(size * i + of_ranks));
}

/* What is said of a communicator that has been made so. */
typedef struct made {
  tutti_topology place;
  int shares_memory;
  uint64_t digest;
} made;

static made make(const tutti_comm_options* options) {
  tutti_comm* comm = NULL;
  made facts = {{-1, -1, -1, -1}, -1, 0};
  EXPECT(tutti_comm_create_with(MPI_COMM_WORLD, options, &comm) == TUTTI_SUCCESS && comm != NULL);
  if (comm == NULL) return facts;
  expect_sum(comm);
  EXPECT(tutti_comm_topology(comm, &facts.place) == TUTTI_SUCCESS);
  facts.shares_memory = tutti_comm_shares_memory(comm);
  facts.digest = tutti_comm_choice_digest(comm);
  tutti_comm_free(comm);
  return facts;
}

static void test_options(void) {
  const made by_default = make(NULL);
  tutti_comm_options options = defaults();
  EXPECT(by_default.place.node == 0 && by_default.place.nodes == 1);
  EXPECT(by_default.place.local_rank == rank && by_default.place.local_size == size);
  EXPECT(make(&options).digest == by_default.digest);

  options.shared_memory = TUTTI_SHARED_MEMORY_OFF;
  const made by_messages = make(&options);
  EXPECT(by_messages.shares_memory == 0 && by_messages.digest != by_default.digest);
  options.shared_memory = TUTTI_SHARED_MEMORY_ON;
  EXPECT(make(&options).shares_memory == by_default.shares_memory);
  EXPECT(by_default.shares_memory == (size > 1));

  options = defaults();
  options.reproducibility = TUTTI_REPRODUCIBILITY_LAYOUT;
  EXPECT(make(&options).digest != by_default.digest);

  options = defaults();
  options.ranks_per_node = 1;
  const made spread = make(&options);
  EXPECT(spread.place.node == rank && spread.place.nodes == size);
  EXPECT(spread.place.local_rank == 0 && spread.place.local_size == 1);
  if (size == 3) {
    options.network = "torus:3";
    EXPECT(make(&options).digest != spread.digest);
  }

  options = defaults();
  options.transport = TUTTI_TRANSPORT_MPI;
  options.timeout_s = 30;
  options.stall_warning_s = -1;
  EXPECT(make(&options).digest == by_default.digest);

  /* A file that the program names has to be readable. */
  options.tuning_file = "/nonexistent/tuning.json";
  tutti_comm* comm = NULL;
  EXPECT(tutti_comm_create_with(MPI_COMM_WORLD, &options, &comm) == TUTTI_ERROR_INVALID_ARGUMENT &&
         says("cannot read tuning file /nonexistent/tuning.json"));
}

/* One rank waits for others that stay away. */
static void test_timeout(void) {
  tutti_comm* comm = NULL;
  tutti_comm_options options = defaults();
  float one = 1;
  options.timeout_s = 0.5;
  EXPECT(tutti_comm_create_with(MPI_COMM_WORLD, &options, &comm) == TUTTI_SUCCESS);
  if (size > 1 && rank == 0) {
    EXPECT(tutti_allreduce(comm, &one, 1, TUTTI_F32, TUTTI_SUM) == TUTTI_ERROR_COMMUNICATION &&
           says("no progress for 0.5 s"));
  }
  MPI_Barrier(MPI_COMM_WORLD);
  tutti_comm_free(comm);
}

/* Makes the options wrong in one way, and returns what is said of it; NULL past the last way. */
static const char* spoil(int way, tutti_comm_options* options) {
  if (way == 0) options->struct_bytes = 0;
  if (way == 1) options->reproducibility = (tutti_reproducibility)2;
  if (way == 2) options->shared_memory = (tutti_shared_memory)3;
  if (way == 3) options->transport = (tutti_transport)-1;
  if (way == 4) options->network = "torus:5x4y3";
  if (way == 5) options->network = "torus:1000";
  if (way == 6) options->ranks_per_node = -1;
  if (way == 7) options->timeout_s = -1;
  const char* const said[] = {"struct_bytes is 0",     "reproducibility levels", "there is no shared_memory 3",
                              "there is no transport", "'5x4y3' is not 1 to 6",  "network",
                              "ranks_per_node is -1",  "timeout is -1 s"};
  return way < 8 ? said[way] : NULL;
}

static void test_wrong_options(void) {
  tutti_comm_options options = defaults();
  for (int way = 0; spoil(way, &options) != NULL; ++way) {
    for (int who = -1; who < size; who += size) { /* all ranks, then the last alone */
      tutti_comm* comm = NULL;
      const char* said = "";
      options = defaults();
      if (who < 0 || rank == size - 1) {
        said = spoil(way, &options);
      } else {
        tutti_comm_options spoilt = defaults();
        said = spoil(way, &spoilt);
      }
      EXPECT(tutti_comm_create_with(MPI_COMM_WORLD, &options, &comm) == TUTTI_ERROR_INVALID_ARGUMENT);
      EXPECT(says(said) && comm == NULL);
      options = defaults();
    }
  }
  options.reproducibility = rank == 0 ? TUTTI_REPRODUCIBILITY_RUN : TUTTI_REPRODUCIBILITY_LAYOUT;
  if (size > 1) {
    tutti_comm* comm = NULL;
    EXPECT(tutti_comm_create_with(MPI_COMM_WORLD, &options, &comm) == TUTTI_ERROR_INVALID_ARGUMENT &&
           says("options.reproducibility differ"));
  }
}

static void test_fortran_handle(void) {
  tutti_comm* comm = NULL;
  EXPECT(tutti_comm_create_f(MPI_Comm_c2f(MPI_COMM_WORLD), NULL, &comm) == TUTTI_SUCCESS);
  expect_sum(comm);
  int members = 0;
  MPI_Comm_size(tutti_comm_mpi(comm), &members);
  EXPECT(members == size);
  tutti_comm_free(comm);
}

static void test_nothing(void) {
  tutti_topology place;
  EXPECT(tutti_comm_rank(NULL) == -1 && tutti_comm_size(NULL) == 0 && tutti_comm_shares_memory(NULL) == 0);
  EXPECT(tutti_comm_choice_digest(NULL) == 0 && tutti_comm_mpi(NULL) == MPI_COMM_NULL);
  EXPECT(tutti_comm_unusable(NULL) == 0);
  EXPECT(tutti_comm_topology(NULL, &place) == TUTTI_ERROR_INVALID_ARGUMENT && says("communicator is NULL"));
  EXPECT(tutti_comm_set_algorithm(NULL, "ring", 0, 0) == TUTTI_ERROR_INVALID_ARGUMENT);
  EXPECT(tutti_dtype_size(TUTTI_F64) == 8 && tutti_dtype_size(TUTTI_BF16) == 2 && tutti_dtype_size(TUTTI_U8) == 1);
  EXPECT(tutti_dtype_size((tutti_dtype)12) == 0 && tutti_dtype_size((tutti_dtype)-1) == 0);
}

/* The algorithm that is named runs, for every form, until another is. */
static void test_algorithm(void) {
  tutti_comm* comm = NULL;
  tutti_request* operation = NULL;
  float data[3] = {1, 2, 3};
  const tutti_result invalid = TUTTI_ERROR_INVALID_ARGUMENT;
  char name[8] = "ring";
  EXPECT(tutti_comm_create(MPI_COMM_WORLD, 30, &comm) == TUTTI_SUCCESS);
  EXPECT(tutti_comm_topology(comm, NULL) == invalid && says("place is NULL"));
  EXPECT(tutti_comm_set_algorithm(comm, name, 0, 4096) == TUTTI_SUCCESS);
  strcpy(name, "lost"); /* the name may be forgotten */
  expect_sum(comm);
  EXPECT(tutti_comm_set_algorithm(comm, "recursive_doubling", size > 1 ? size : 2, 0) == TUTTI_SUCCESS);
  expect_sum(comm);
  EXPECT(tutti_comm_set_algorithm(comm, "snail", 0, 0) == TUTTI_SUCCESS);
  EXPECT(tutti_allreduce(comm, data, 3, TUTTI_F32, TUTTI_SUM) == invalid && says("unknown algorithm 'snail'"));
  EXPECT(tutti_iallreduce(comm, data, 3, TUTTI_F32, TUTTI_SUM, &operation) == invalid && says("snail"));
  EXPECT(tutti_broadcast_init(comm, data, 3, TUTTI_F32, 0, &operation) == invalid && says("snail"));
  EXPECT(tutti_barrier(comm) == invalid && says("snail"));
  EXPECT(tutti_comm_set_algorithm(comm, NULL, -1, 0) == TUTTI_SUCCESS);
  EXPECT(tutti_allreduce(comm, data, 3, TUTTI_F32, TUTTI_SUM) == invalid && says("radix -1 is out of range"));
  EXPECT(tutti_comm_set_algorithm(comm, "", 0, 0) == TUTTI_SUCCESS);
  expect_sum(comm);
  EXPECT(tutti_barrier(comm) == TUTTI_SUCCESS && tutti_comm_unusable(comm) == 0);
  tutti_comm_free(comm);
}

int main(int argc, char** argv) {
  MPI_Init(&argc, &argv);
  MPI_Comm_rank(MPI_COMM_WORLD, &rank);
  MPI_Comm_size(MPI_COMM_WORLD, &size);
  test_options();
  test_timeout();
  test_wrong_options();
  test_fortran_handle();
  test_nothing();
  test_algorithm();
  int worst = 0;
  MPI_Allreduce(&failures, &worst, 1, MPI_INT, MPI_MAX, MPI_COMM_WORLD);
  MPI_Finalize();
  return worst == 0 ? 0 : 1;
}
