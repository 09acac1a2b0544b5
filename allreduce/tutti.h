/* The C interface of tutti: communicator, memory, allreduce, broadcast, errors with text.
 *
 * Every function returns TUTTI_SUCCESS or an error, whose text tutti_error_text() gives to the thread that got it. What
 * is collective, what must agree between ranks and what remains after an error is as in the C++ headers of the same
 * names
 * (<tutti/collectives/communicator.hpp>, <tutti/allreduce/allreduce.hpp>, <tutti/collectives/collectives.hpp>). */
#ifndef TUTTI_TUTTI_H
#define TUTTI_TUTTI_H

#include <mpi.h>
#include <stddef.h>

#include <tutti/version.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef enum tutti_result {
  TUTTI_SUCCESS = 0,
  TUTTI_ERROR_INVALID_ARGUMENT = 1, /* nothing was done; the communicator stays usable if all ranks were wrong alike */
  TUTTI_ERROR_COMMUNICATION = 2,    /* the communicator is unusable, buffers of the operation must not be reused */
  TUTTI_ERROR_OUT_OF_MEMORY = 3,
  TUTTI_ERROR_OTHER = 4
} tutti_result;

typedef enum tutti_dtype {
  TUTTI_F64 = 0,
  TUTTI_F32 = 1,
  TUTTI_BF16 = 2,
  TUTTI_F16 = 3,
  TUTTI_I64 = 4,
  TUTTI_I32 = 5,
  TUTTI_I16 = 6,
  TUTTI_I8 = 7,
  TUTTI_U64 = 8,
  TUTTI_U32 = 9,
  TUTTI_U16 = 10,
  TUTTI_U8 = 11
} tutti_dtype;

typedef enum tutti_op {
  TUTTI_SUM = 0,
  TUTTI_AVG = 1,
  TUTTI_PROD = 2,
  TUTTI_MIN = 3,
  TUTTI_MAX = 4,
  TUTTI_BIT_AND = 5,
  TUTTI_BIT_OR = 6,
  TUTTI_BIT_XOR = 7,
  TUTTI_LOGICAL_AND = 8,
  TUTTI_LOGICAL_OR = 9
} tutti_op;

typedef struct tutti_comm tutti_comm; /* opaque */

/* The version of the library that is linked, "0.1.0". */
const char* tutti_version(void);

/* One sentence about the last error that a call in this thread returned; "" if none has. Valid until the next call that
 * fails. */
const char* tutti_error_text(void);

/* Duplicates `parent`. Collective. deadline_s: seconds without progress after which an operation fails; 0 for none. */
tutti_result tutti_comm_create(MPI_Comm parent, double deadline_s, tutti_comm** comm);

/* Collective; operations must be complete. NULL is ignored. */
void tutti_comm_free(tutti_comm* comm);

int tutti_comm_rank(const tutti_comm* comm);
int tutti_comm_size(const tutti_comm* comm);

/* Memory for `count` elements, zeroed: the memory to put gradients in. Local. Free it with tutti_free() before the
 * communicator. */
tutti_result tutti_allocate(tutti_comm* comm, size_t count, tutti_dtype dtype, void** memory);
tutti_result tutti_free(tutti_comm* comm, void* memory);

/* Replaces `data` on every rank by the element-wise `op` over all ranks. Collective. */
tutti_result tutti_allreduce(tutti_comm* comm, void* data, size_t count, tutti_dtype dtype, tutti_op op);

/* Copies `data` of rank `root` to all ranks. Collective. */
tutti_result tutti_broadcast(tutti_comm* comm, void* data, size_t count, tutti_dtype dtype, int root);

#ifdef __cplusplus
}
#endif

#endif /* TUTTI_TUTTI_H */
