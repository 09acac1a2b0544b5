/* What fails goes through the communicator's own error handler. Run with the preload alone: MPI might wait for ever.
   With an argument, a call is left to the handler that ends the program: `fatal` one that differs, `late` one of the
   root of a broadcast whose other ranks do not come. */
#include <unistd.h>

#include "program.h"

static MPI_Comm handled = MPI_COMM_NULL;
static int handled_code = MPI_SUCCESS;
static int handled_calls = 0;

static void handle(MPI_Comm* comm, int* code, ...) {
  handled = *comm;
  handled_code = *code;
  ++handled_calls;
}

static int says(int code, const char* words) {
  char text[MPI_MAX_ERROR_STRING];
  int length = 0;
  if (code == MPI_SUCCESS || MPI_Error_string(code, text, &length) != MPI_SUCCESS) return 0;
  if (strstr(text, words) != NULL) return 1;
  printf("rank %d: code %d is '%s'\n", rank, code, text);
  return 0;
}

/* One rank's count is another: an error on every rank. */
static int differing_call(MPI_Comm comm) {
  int data[4] = {1, 2, 3, 4};
  return MPI_Allreduce(MPI_IN_PLACE, data, rank == size - 1 ? 3 : 4, MPI_INT, MPI_SUM, comm);
}

static int world_works(void) {
  int one = 1;
  is_served(ALLREDUCE, MPI_COMM_WORLD, sizeof one);
  const int code = MPI_Allreduce(MPI_IN_PLACE, &one, 1, MPI_INT, MPI_SUM, MPI_COMM_WORLD);
  return check(code == MPI_SUCCESS && one == size, "the world works no more");
}

static int returned(void) {
  MPI_Comm comm;
  MPI_Comm_dup(MPI_COMM_WORLD, &comm);
  MPI_Comm_set_errhandler(comm, MPI_ERRORS_RETURN);
  const int code = differing_call(comm);
  int failed = check(says(code, "tutti: ") && says(code, "calls differ"), "calls that differ are not returned");
  failed += check(MPI_Barrier(comm) == code, "the communicator goes on");
  MPI_Comm_free(&comm);
  return failed + world_works();
}

static int through_own_handler(void) {
  MPI_Comm comm;
  MPI_Errhandler handler;
  MPI_Comm_create_errhandler(handle, &handler);
  MPI_Comm_dup(MPI_COMM_WORLD, &comm);
  MPI_Comm_set_errhandler(comm, handler);
  const int code = differing_call(comm);
  const int failed = check(handled == comm && handled_calls == 1 && handled_code == code && says(code, "calls differ"),
                           "the handler is not called");
  MPI_Errhandler_free(&handler);
  MPI_Comm_free(&comm);
  return failed + world_works();
}

/* With a timeout, TUTTI_PRELOAD_TIMEOUT: the last rank comes too late, after the others have given up, as they tell
   it. The others have come, so its own barrier is one; of what became of them it learns in the next. */
static int too_late(void) {
  MPI_Comm comm;
  const int late = size - 1;
  int code = MPI_SUCCESS;
  int failed = 0;
  MPI_Comm_dup(MPI_COMM_WORLD, &comm);
  MPI_Comm_set_errhandler(comm, MPI_ERRORS_RETURN);
  is_served(BARRIER, comm, 0);
  MPI_Barrier(comm); /* in which tutti makes what it needs */
  if (rank == late) {
    for (int r = 0; r < late; ++r) MPI_Recv(NULL, 0, MPI_INT, r, 1, MPI_COMM_WORLD, MPI_STATUS_IGNORE);
    is_served(BARRIER, comm, 0);
    failed += check(MPI_Barrier(comm) == MPI_SUCCESS, "the late rank has not met the others");
  }
  code = MPI_Barrier(comm);
  failed += check(says(code, "no progress for 1 s"), "the timeout is not heeded");
  if (rank == 0) {
    char missing[64];
    snprintf(missing, sizeof missing, "rank %d has not entered any collective", late);
    failed += check(says(code, missing), "the missing rank is not named");
  }
  if (rank != late) MPI_Send(NULL, 0, MPI_INT, late, 1, MPI_COMM_WORLD);
  MPI_Comm_free(&comm);
  return failed + world_works();
}

/* The same where the last rank does not come to the first call, for which tutti has to make what it needs. */
static int never(void) {
  MPI_Comm comm;
  const int late = size - 1;
  int failed = 0;
  MPI_Comm_dup(MPI_COMM_WORLD, &comm);
  MPI_Comm_set_errhandler(comm, MPI_ERRORS_RETURN);
  if (rank == late) {
    for (int r = 0; r < late; ++r) MPI_Recv(NULL, 0, MPI_INT, r, 2, MPI_COMM_WORLD, MPI_STATUS_IGNORE);
  } else {
    const int code = MPI_Barrier(comm);
    failed += check(says(code, "barrier #0") && says(code, "not all ranks are in that call"), "the call does not end");
    failed += check(MPI_Barrier(comm) == code, "the communicator goes on");
    MPI_Send(NULL, 0, MPI_INT, late, 2, MPI_COMM_WORLD);
  }
  MPI_Comm_free(&comm);
  return failed + world_works();
}

int main(int argc, char** argv) {
  MPI_Init(&argc, &argv);
  begin();
  if (argc > 1) { /* the error handler has to end it, or it succeeds */
    int data[200] = {0};
    if (strcmp(argv[1], "late") != 0) {
      differing_call(MPI_COMM_WORLD);
    } else if (rank == 0) {
      MPI_Bcast(data, 200, MPI_INT, 0, MPI_COMM_WORLD);
    } else {
      sleep(5);
    }
    return MPI_Finalize();
  }
  const int failed = returned() + through_own_handler() + too_late() + never();
  end();
  return failed;
}
