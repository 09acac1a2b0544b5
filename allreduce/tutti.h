/* The C interface of tutti: communicators, memory, collectives, messages between two ranks, errors with text.
 *
 * Every function returns TUTTI_SUCCESS or an error, whose text tutti_error_text() gives to the thread that got it. What
 * is collective, what must agree between ranks, what may be in place and what remains after an error is as in the C++
 * headers of the same names (<tutti/collectives/communicator.hpp>, <tutti/allreduce/allreduce.hpp>,
 * <tutti/collectives/collectives.hpp>, <tutti/collectives/point_to_point.hpp>). Algorithms are chosen. */
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

typedef struct tutti_comm tutti_comm;           /* opaque */
typedef struct tutti_operation tutti_operation; /* opaque: a collective or message that has been started */

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

/* The ranks that give the same `color`, ordered by (key, rank), with the options of `comm`. Collective; a negative
 * color gets NULL. */
tutti_result tutti_comm_split(tutti_comm* comm, int color, int key, tutti_comm** part);

/* The ranks of this rank's node; the ranks with this rank's place on their nodes. Collective. */
tutti_result tutti_comm_node_group(tutti_comm* comm, tutti_comm** part);
tutti_result tutti_comm_cross_group(tutti_comm* comm, tutti_comm** part);

/* Makes the communicator unusable and tells every rank why. Local, never waits. */
tutti_result tutti_comm_abandon(tutti_comm* comm, const char* reason);

/* 1 once an operation failed or the communicator was abandoned, here or, as far as known, elsewhere; otherwise 0. */
int tutti_comm_unusable(const tutti_comm* comm);

/* Memory for `count` elements, zeroed: the memory to put gradients in. Local. Free it with tutti_free() before the
 * communicator. */
tutti_result tutti_allocate(tutti_comm* comm, size_t count, tutti_dtype dtype, void** memory);
tutti_result tutti_free(tutti_comm* comm, void* memory);

/* ---- Collectives
 *
 * Every rank calls them in the same order. Where each rank has a block of its own, `count` is the elements of one
 * block, and memory for all blocks holds size * count elements in rank order. */

/* Replaces `data` on every rank by the element-wise `op` over all ranks. */
tutti_result tutti_allreduce(tutti_comm* comm, void* data, size_t count, tutti_dtype dtype, tutti_op op);

/* The same into `output`; `input` is only read, and does not overlap it. */
tutti_result tutti_allreduce_into(tutti_comm* comm, const void* input, void* output, size_t count, tutti_dtype dtype,
                                  tutti_op op);

/* Copies `data` of rank `root` to all ranks. */
tutti_result tutti_broadcast(tutti_comm* comm, void* data, size_t count, tutti_dtype dtype, int root);

/* Every rank's `count` elements of `input` come to lie in `output` of every rank. */
tutti_result tutti_all_gather(tutti_comm* comm, const void* input, void* output, size_t count, tutti_dtype dtype);

/* The same for rank `root`; elsewhere `output` is not touched and may be NULL. */
tutti_result tutti_gather(tutti_comm* comm, const void* input, void* output, size_t count, tutti_dtype dtype, int root);

/* Block r of `input` of rank `root` goes to `output` of rank r; elsewhere `input` is not touched and may be NULL. */
tutti_result tutti_scatter(tutti_comm* comm, const void* input, void* output, size_t count, tutti_dtype dtype,
                           int root);

/* Combines the ranks' `input` of size * count elements and leaves block `rank` of the result in `output`. */
tutti_result tutti_reduce_scatter(tutti_comm* comm, const void* input, void* output, size_t count, tutti_dtype dtype,
                                  tutti_op op);

/* Combines the ranks' `input` into `output` of rank `root`; elsewhere `output` is not touched and may be NULL. */
tutti_result tutti_reduce(tutti_comm* comm, const void* input, void* output, size_t count, tutti_dtype dtype,
                          tutti_op op, int root);

/* Block j of `input` goes to rank j, and block i of `output` comes from rank i. */
tutti_result tutti_all_to_all(tutti_comm* comm, const void* input, void* output, size_t count, tutti_dtype dtype);

/* Returns once every rank has called it. */
tutti_result tutti_barrier(tutti_comm* comm);

/* ---- Every rank its own count: `counts` has an element for each rank and agrees on all ranks, unless said otherwise.
 * Blocks follow each other in rank order. */

tutti_result tutti_all_gather_v(tutti_comm* comm, const void* input, void* output, const size_t* counts,
                                tutti_dtype dtype);
tutti_result tutti_gather_v(tutti_comm* comm, const void* input, void* output, const size_t* counts, tutti_dtype dtype,
                            int root);
tutti_result tutti_scatter_v(tutti_comm* comm, const void* input, void* output, const size_t* counts, tutti_dtype dtype,
                             int root);
tutti_result tutti_reduce_scatter_v(tutti_comm* comm, const void* input, void* output, const size_t* counts,
                                    tutti_dtype dtype, tutti_op op);

/* input_counts[r] elements go to rank r, output_counts[r] come from it: each pair agrees on what it exchanges. */
tutti_result tutti_all_to_all_v(tutti_comm* comm, const void* input, const size_t* input_counts, void* output,
                                const size_t* output_counts, tutti_dtype dtype);

/* ---- Messages between two ranks, which match in the order in which they are started on either side */

#define TUTTI_ANY_SOURCE (-1)

tutti_result tutti_send(tutti_comm* comm, const void* data, size_t count, tutti_dtype dtype, int to);

/* From rank `from` or from TUTTI_ANY_SOURCE; the rank it came from is written to `source` unless that is NULL. */
tutti_result tutti_receive(tutti_comm* comm, void* data, size_t count, tutti_dtype dtype, int from, int* source);

/* ---- Started operations
 *
 * Each function above but tutti_allreduce_into has a form that only starts it: an i before the name, and a last
 * argument for the operation, which is NULL after an error. The same contract; buffers belong to the operation until it
 * is complete, and so does `source`. Several may be under way. Counts may be forgotten at once. */

tutti_result tutti_iallreduce(tutti_comm* comm, void* data, size_t count, tutti_dtype dtype, tutti_op op,
                              tutti_operation** operation);
tutti_result tutti_ibroadcast(tutti_comm* comm, void* data, size_t count, tutti_dtype dtype, int root,
                              tutti_operation** operation);
tutti_result tutti_iall_gather(tutti_comm* comm, const void* input, void* output, size_t count, tutti_dtype dtype,
                               tutti_operation** operation);
tutti_result tutti_igather(tutti_comm* comm, const void* input, void* output, size_t count, tutti_dtype dtype, int root,
                           tutti_operation** operation);
tutti_result tutti_iscatter(tutti_comm* comm, const void* input, void* output, size_t count, tutti_dtype dtype,
                            int root, tutti_operation** operation);
tutti_result tutti_ireduce_scatter(tutti_comm* comm, const void* input, void* output, size_t count, tutti_dtype dtype,
                                   tutti_op op, tutti_operation** operation);
tutti_result tutti_ireduce(tutti_comm* comm, const void* input, void* output, size_t count, tutti_dtype dtype,
                           tutti_op op, int root, tutti_operation** operation);
tutti_result tutti_iall_to_all(tutti_comm* comm, const void* input, void* output, size_t count, tutti_dtype dtype,
                               tutti_operation** operation);
tutti_result tutti_ibarrier(tutti_comm* comm, tutti_operation** operation);
tutti_result tutti_iall_gather_v(tutti_comm* comm, const void* input, void* output, const size_t* counts,
                                 tutti_dtype dtype, tutti_operation** operation);
tutti_result tutti_igather_v(tutti_comm* comm, const void* input, void* output, const size_t* counts, tutti_dtype dtype,
                             int root, tutti_operation** operation);
tutti_result tutti_iscatter_v(tutti_comm* comm, const void* input, void* output, const size_t* counts,
                              tutti_dtype dtype, int root, tutti_operation** operation);
tutti_result tutti_ireduce_scatter_v(tutti_comm* comm, const void* input, void* output, const size_t* counts,
                                     tutti_dtype dtype, tutti_op op, tutti_operation** operation);
tutti_result tutti_iall_to_all_v(tutti_comm* comm, const void* input, const size_t* input_counts, void* output,
                                 const size_t* output_counts, tutti_dtype dtype, tutti_operation** operation);
tutti_result tutti_isend(tutti_comm* comm, const void* data, size_t count, tutti_dtype dtype, int to,
                         tutti_operation** operation);
tutti_result tutti_ireceive(tutti_comm* comm, void* data, size_t count, tutti_dtype dtype, int from, int* source,
                            tutti_operation** operation);

/* Advances without waiting; `complete` becomes 1 once the operation is complete, otherwise 0. */
tutti_result tutti_test(tutti_operation* operation, int* complete);

/* Waits for completion. The operation still has to be freed. */
tutti_result tutti_wait(tutti_operation* operation);

/* Of an incomplete operation: abandons its communicator. NULL is ignored. */
void tutti_operation_free(tutti_operation* operation);

/* ---- What happened (<tutti/collectives/flight_recorder.hpp>) */

/* Writes this process's last operations to `path`, as JSON. Local. */
tutti_result tutti_write_flight_record(const char* path);

/* Rank 0 writes the timeline of all ranks' last operations to `path`, for chrome://tracing or Perfetto. Collective. */
tutti_result tutti_write_trace(tutti_comm* comm, const char* path);

#ifdef __cplusplus
}
#endif

#endif /* TUTTI_TUTTI_H */
