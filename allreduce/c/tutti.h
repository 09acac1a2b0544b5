/* The C interface of tutti: communicators, memory, collectives, messages between two ranks, errors with text.
 *
 * Every function that can fail returns TUTTI_SUCCESS or an error, whose text tutti_error_text() gives to the thread
 * that got it. What is collective, what must agree between ranks, what may be in place and what remains after an error
 * is as in the C++ headers of the same names (<tutti/collectives/communicator.hpp>, <tutti/allreduce/allreduce.hpp>,
 * <tutti/collectives/collectives.hpp>, <tutti/collectives/persistent.hpp>, <tutti/collectives/point_to_point.hpp>,
 * <tutti/collectives/user_operator.hpp>, <tutti/allreduce/allreduce_group.hpp>). Allreduces of encoded values are in
 * <tutti/compression.h>.
 *
 * One thread at a time may use a communicator and what was made with it. Counts are numbers of elements. What a
 * function creates is freed by the function whose name ends in _free; there NULL is allowed and ignored.
 *
 * Documents named here, such as collectives/README.md, are installed in share/doc/tutti. */
#ifndef TUTTI_TUTTI_H
#define TUTTI_TUTTI_H

#include <mpi.h>
#include <stddef.h>
#include <stdint.h>

#include <tutti/version.h>

#ifdef __cplusplus
extern "C" {
#endif
#ifdef __GNUC__
#pragma GCC visibility push(default)
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

typedef struct tutti_comm tutti_comm;       /* opaque */
typedef struct tutti_request tutti_request; /* opaque: the request of a non-blocking or persistent
                                                    collective, or of messages */

/* The version of the library that is linked, "0.1.0". */
const char* tutti_version(void);

/* One sentence about the last error that a call in this thread returned; "" if none has. Valid until the next call that
 * fails. */
const char* tutti_error_text(void);

/* Bytes of an element; 0 if there is no such dtype. */
size_t tutti_dtype_size(tutti_dtype dtype);

/* ---- Communicators */

/* How reproducible reductions are. */
typedef enum tutti_reproducibility {
  /* Same inputs, ranks and options give the same bits on every rank, and on every run with the same kinds of memory and
     ranks that are placed and bound alike; where all ranks round alike and treat denormals alike. */
  TUTTI_REPRODUCIBILITY_RUN = 0,
  /* Moreover element i does not depend on algorithm, message size, nodes or transport. */
  TUTTI_REPRODUCIBILITY_LAYOUT = 1
} tutti_reproducibility;

/* Whether ranks of one node use each other's memory instead of messages. */
typedef enum tutti_shared_memory {
  TUTTI_SHARED_MEMORY_DEFAULT = 0, /* what the environment variable TUTTI_SHARED_MEMORY says, or else they do */
  TUTTI_SHARED_MEMORY_ON = 1,
  TUTTI_SHARED_MEMORY_OFF = 2
} tutti_shared_memory;

/* What carries messages between nodes. */
typedef enum tutti_transport {
  TUTTI_TRANSPORT_DEFAULT = 0, /* what the environment variable TUTTI_TRANSPORT says, or else MPI */
  TUTTI_TRANSPORT_MPI = 1,
  TUTTI_TRANSPORT_UCX = 2
} tutti_transport;

/* How a communicator is made. Fields that are 0 or NULL stand for the default:
 *
 *     const tutti_comm_options options = {.struct_bytes = sizeof options, .timeout_s = 60}; */
typedef struct tutti_comm_options {
  size_t struct_bytes; /* sizeof(tutti_comm_options): later versions may add fields at the end */

  /* What is computed. Must agree. */
  tutti_reproducibility reproducibility;

  /* How long to wait. */
  double timeout_s;       /* seconds without progress after which an operation fails; 0: none */
  double stall_warning_s; /* seconds without progress after which a line on standard error says who waits for whom; 0:
                             60, less than 0: never */

  /* Who is near, and what carries messages. Must agree, but for tuning_file, which rank 0 alone reads. */
  const char* tuning_file; /* what `tutti tune` wrote; NULL: TUTTI_TUNING, or else built-in constants */
  const char* network;     /* as "torus:8x8x4"; NULL: TUTTI_NETWORK, or else nothing is known of it */
  int ranks_per_node;      /* pretend that so many ranks share a node, for tests; 0: ask MPI */
  tutti_shared_memory shared_memory;
  tutti_transport transport;
} tutti_comm_options;

/* Where a rank lives. Nodes are numbered in the order of their lowest rank. */
typedef struct tutti_topology {
  int node;       /* index of this rank's node */
  int nodes;      /* number of nodes */
  int local_rank; /* index among the ranks of the node, in rank order */
  int local_size; /* ranks on this node */
} tutti_topology;

/* Duplicates `parent`. Collective. timeout_s: seconds without progress after which an operation fails; 0 for none. */
tutti_result tutti_comm_create(MPI_Comm parent, double timeout_s, tutti_comm** comm);

/* The same with all options; NULL: the defaults. Options that are wrong on one rank are TUTTI_ERROR_INVALID_ARGUMENT on
 * all. They may be forgotten once the call returns. */
tutti_result tutti_comm_create_with(MPI_Comm parent, const tutti_comm_options* options, tutti_comm** comm);

/* The same for programs that have Fortran's handle of `parent`, as MPI_Comm_c2f() gives it. */
tutti_result tutti_comm_create_f(MPI_Fint parent, const tutti_comm_options* options, tutti_comm** comm);

/* Collective: ranks wait for each other, for at most 5 s. What was made with `comm` is freed before: operations, which
 * must be complete, and groups. Memory of tutti_allocate() that is left is freed with it. */
void tutti_comm_free(tutti_comm* comm);

int tutti_comm_rank(const tutti_comm* comm); /* -1 if comm is NULL */
int tutti_comm_size(const tutti_comm* comm); /* 0 if comm is NULL */
tutti_result tutti_comm_topology(const tutti_comm* comm, tutti_topology* place);

/* 1 if all ranks live on one node and use each other's memory instead of exchanging messages; otherwise 0. */
int tutti_comm_shares_memory(const tutti_comm* comm);

/* Digest of all that the choice of algorithms depends on: runs of one version with equal digests choose alike. */
uint64_t tutti_comm_choice_digest(const tutti_comm* comm);

/* The private duplicate, for MPI's own collectives beside tutti's. MPI_COMM_NULL if comm is
 * NULL. */
MPI_Comm tutti_comm_mpi(const tutti_comm* comm);

/* How the collectives of `comm` that are called, started or set up from now on run: by the algorithm of that name, from
 * the tables in collectives/README.md and allreduce/README.md, with this radix (exchanges per round) and segments of
 * this size. "" or NULL, and 0, leave the choice to tutti. Local; must agree. Nothing is checked here: a collective
 * without such an algorithm returns TUTTI_ERROR_INVALID_ARGUMENT. Parts of `comm` have their own settings. */
tutti_result tutti_comm_set_algorithm(tutti_comm* comm, const char* algorithm, int radix, size_t segment_bytes);

/* The ranks that give the same `color`, ordered by (key, rank), with the options of `comm`. Collective; a negative
 * color gets NULL. */
tutti_result tutti_comm_split(tutti_comm* comm, int color, int key, tutti_comm** part);

/* The ranks of this rank's node; the ranks with this rank's place on their nodes. Collective. */
tutti_result tutti_comm_local(tutti_comm* comm, tutti_comm** part);
tutti_result tutti_comm_cross(tutti_comm* comm, tutti_comm** part);

/* Makes the communicator unusable and tells every rank why. Local, never waits. */
tutti_result tutti_comm_abandon(tutti_comm* comm, const char* reason);

/* 1 once an operation failed or the communicator was abandoned, here or, as far as known, elsewhere; otherwise 0. */
int tutti_comm_unusable(const tutti_comm* comm);

/* ---- Memory */

/* Memory for `count` elements, zeroed, aligned to 64 bytes: the memory to put gradients in, since the ranks of a node
 * can map each other's. Local. TUTTI_ERROR_OUT_OF_MEMORY if the machine or a control group of the process has less than
 * what this rank and others of the node take at the same time; nothing is taken, and the error's text tells both
 * numbers. Free it with tutti_free() before the communicator. */
tutti_result tutti_allocate(tutti_comm* comm, size_t count, tutti_dtype dtype, void** memory);
tutti_result tutti_free(tutti_comm* comm, void* memory);

/* ---- Collectives
 *
 * Every rank calls them in the same order. Where each rank has a block of its own, `count` is the elements of one
 * block, and memory for all blocks holds size * count elements in rank order. */

/* Replaces `data` on every rank by the element-wise `op` over all ranks. */
tutti_result tutti_allreduce(tutti_comm* comm, void* data, size_t count, tutti_dtype dtype, tutti_op op);

/* The same into `output`; `input` is only read, unless both are the same (in place). */
tutti_result tutti_allreduce_into(tutti_comm* comm, const void* input, void* output, size_t count, tutti_dtype dtype,
                                  tutti_op op);

/* Copies `data` of rank `root` to all ranks. */
tutti_result tutti_broadcast(tutti_comm* comm, void* data, size_t count, tutti_dtype dtype, int root);

/* Every rank's `count` elements of `input` come to lie in `output` of every rank. In place: input is output + rank *
 * count. Other overlap of input and output is an error, here and below. */
tutti_result tutti_all_gather(tutti_comm* comm, const void* input, void* output, size_t count, tutti_dtype dtype);

/* The same for rank `root`, in place there likewise; elsewhere `output` is not touched and may be NULL. */
tutti_result tutti_gather(tutti_comm* comm, const void* input, void* output, size_t count, tutti_dtype dtype, int root);

/* Block r of `input` of rank `root` goes to `output` of rank r; elsewhere `input` is not touched and may be NULL. In
 * place at the root: output is input + root * count. */
tutti_result tutti_scatter(tutti_comm* comm, const void* input, void* output, size_t count, tutti_dtype dtype,
                           int root);

/* Reduces the ranks' `input` of size * count elements and leaves block `rank` of the result in `output`. In place:
 * output is input + rank * count. */
tutti_result tutti_reduce_scatter(tutti_comm* comm, const void* input, void* output, size_t count, tutti_dtype dtype,
                                  tutti_op op);

/* Reduces the ranks' `input` into `output` of rank `root`, in place there if they are the same; elsewhere `output` is
 * not touched and may be NULL. */
tutti_result tutti_reduce(tutti_comm* comm, const void* input, void* output, size_t count, tutti_dtype dtype,
                          tutti_op op, int root);

/* Block j of `input` goes to rank j, and block i of `output` comes from rank i. Not in place. */
tutti_result tutti_all_to_all(tutti_comm* comm, const void* input, void* output, size_t count, tutti_dtype dtype);

/* Returns once every rank has called it. */
tutti_result tutti_barrier(tutti_comm* comm);

/* ---- Every rank its own count
 *
 * `counts` has an element for each rank and agrees on all ranks, unless said otherwise. Blocks follow each other in
 * rank order. */

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

/* ---- Messages between two ranks
 *
 * They match in the order in which they are started on either side. */

#define TUTTI_ANY_SOURCE (-1)

tutti_result tutti_send(tutti_comm* comm, const void* data, size_t count, tutti_dtype dtype, int to);

/* From rank `from` or from TUTTI_ANY_SOURCE; the rank it came from is written to `source` unless that is NULL. */
tutti_result tutti_receive(tutti_comm* comm, void* data, size_t count, tutti_dtype dtype, int from, int* source);

/* ---- Non-blocking operations
 *
 * Each function above has a form that only starts it: an i before the name, and a last argument for the request, which
 * is NULL after an error. The same contract; buffers belong to the operation until it is complete, and so does
 * `source`. Several may be under way. Counts may be forgotten at once. */

tutti_result tutti_iallreduce(tutti_comm* comm, void* data, size_t count, tutti_dtype dtype, tutti_op op,
                              tutti_request** operation);
tutti_result tutti_iallreduce_into(tutti_comm* comm, const void* input, void* output, size_t count, tutti_dtype dtype,
                                   tutti_op op, tutti_request** operation);
tutti_result tutti_ibroadcast(tutti_comm* comm, void* data, size_t count, tutti_dtype dtype, int root,
                              tutti_request** operation);
tutti_result tutti_iall_gather(tutti_comm* comm, const void* input, void* output, size_t count, tutti_dtype dtype,
                               tutti_request** operation);
tutti_result tutti_igather(tutti_comm* comm, const void* input, void* output, size_t count, tutti_dtype dtype, int root,
                           tutti_request** operation);
tutti_result tutti_iscatter(tutti_comm* comm, const void* input, void* output, size_t count, tutti_dtype dtype,
                            int root, tutti_request** operation);
tutti_result tutti_ireduce_scatter(tutti_comm* comm, const void* input, void* output, size_t count, tutti_dtype dtype,
                                   tutti_op op, tutti_request** operation);
tutti_result tutti_ireduce(tutti_comm* comm, const void* input, void* output, size_t count, tutti_dtype dtype,
                           tutti_op op, int root, tutti_request** operation);
tutti_result tutti_iall_to_all(tutti_comm* comm, const void* input, void* output, size_t count, tutti_dtype dtype,
                               tutti_request** operation);
tutti_result tutti_ibarrier(tutti_comm* comm, tutti_request** operation);
tutti_result tutti_iall_gather_v(tutti_comm* comm, const void* input, void* output, const size_t* counts,
                                 tutti_dtype dtype, tutti_request** operation);
tutti_result tutti_igather_v(tutti_comm* comm, const void* input, void* output, const size_t* counts, tutti_dtype dtype,
                             int root, tutti_request** operation);
tutti_result tutti_iscatter_v(tutti_comm* comm, const void* input, void* output, const size_t* counts,
                              tutti_dtype dtype, int root, tutti_request** operation);
tutti_result tutti_ireduce_scatter_v(tutti_comm* comm, const void* input, void* output, const size_t* counts,
                                     tutti_dtype dtype, tutti_op op, tutti_request** operation);
tutti_result tutti_iall_to_all_v(tutti_comm* comm, const void* input, const size_t* input_counts, void* output,
                                 const size_t* output_counts, tutti_dtype dtype, tutti_request** operation);
tutti_result tutti_isend(tutti_comm* comm, const void* data, size_t count, tutti_dtype dtype, int to,
                         tutti_request** operation);
tutti_result tutti_ireceive(tutti_comm* comm, void* data, size_t count, tutti_dtype dtype, int from, int* source,
                            tutti_request** operation);

/* Advances without waiting; `complete` becomes 1 once the operation is complete, otherwise 0. */
tutti_result tutti_test(tutti_request* operation, int* complete);

/* Waits for completion. The operation still has to be freed. */
tutti_result tutti_wait(tutti_request* operation);

/* Of an incomplete operation: abandons its communicator. */
void tutti_request_free(tutti_request* operation);

/* ---- Persistent operations
 *
 * They are set up once, and started by tutti_start() as often as wanted. Setting one up is local, but is done by all
 * ranks in the same order among their calls. Buffers stay where they are until the operation is freed; what they hold
 * is read at each start. tutti_test() and tutti_wait() find one complete that has not been started. */

/* `input` may be exactly `output`. */
tutti_result tutti_allreduce_init(tutti_comm* comm, const void* input, void* output, size_t count, tutti_dtype dtype,
                                  tutti_op op, tutti_request** operation);
tutti_result tutti_broadcast_init(tutti_comm* comm, void* data, size_t count, tutti_dtype dtype, int root,
                                  tutti_request** operation);
tutti_result tutti_all_gather_init(tutti_comm* comm, const void* input, void* output, size_t count, tutti_dtype dtype,
                                   tutti_request** operation);
tutti_result tutti_gather_init(tutti_comm* comm, const void* input, void* output, size_t count, tutti_dtype dtype,
                               int root, tutti_request** operation);
tutti_result tutti_scatter_init(tutti_comm* comm, const void* input, void* output, size_t count, tutti_dtype dtype,
                                int root, tutti_request** operation);
tutti_result tutti_reduce_scatter_init(tutti_comm* comm, const void* input, void* output, size_t count,
                                       tutti_dtype dtype, tutti_op op, tutti_request** operation);
tutti_result tutti_reduce_init(tutti_comm* comm, const void* input, void* output, size_t count, tutti_dtype dtype,
                               tutti_op op, int root, tutti_request** operation);
tutti_result tutti_all_to_all_init(tutti_comm* comm, const void* input, void* output, size_t count, tutti_dtype dtype,
                                   tutti_request** operation);
tutti_result tutti_barrier_init(tutti_comm* comm, tutti_request** operation);

/* Starts it: collective, as the call that it stands for. TUTTI_ERROR_INVALID_ARGUMENT if the last start is not
 * complete, or the operation is not a persistent one. */
tutti_result tutti_start(tutti_request* operation);

/* ---- Groups of messages
 *
 * They are started together, receives before sends: exchanges among ranks that all use groups cannot deadlock, whatever
 * the order. */

typedef struct tutti_message_group tutti_message_group; /* opaque */

tutti_result tutti_message_group_create(tutti_comm* comm, tutti_message_group** group);

/* As tutti_isend() and tutti_ireceive(), but started by tutti_message_group_start(). Wrong arguments are found here. */
tutti_result tutti_message_group_send(tutti_message_group* group, const void* data, size_t count, tutti_dtype dtype,
                                      int to);
tutti_result tutti_message_group_receive(tutti_message_group* group, void* data, size_t count, tutti_dtype dtype,
                                         int from, int* source);

/* Starts what was added and forgets it; the group may be filled anew. The operation is complete when all messages are:
 * at once if there are none. */
tutti_result tutti_message_group_start(tutti_message_group* group, tutti_request** operation);

/* Messages that were added and not started are forgotten. */
void tutti_message_group_free(tutti_message_group* group);

/* ---- Groups of allreduces
 *
 * They are started together; small ones of one dtype and operator travel fused. */

typedef struct tutti_allreduce_group tutti_allreduce_group; /* opaque */

#define TUTTI_DEFAULT_BYTES ((size_t)-1)

/* Tensors of at most `fused_bytes` are copied together into pieces of at most `piece_bytes`; fused_bytes of 0: none
 * are. TUTTI_DEFAULT_BYTES: 64 KiB, and 4 MiB. Must agree. Local. */
tutti_result tutti_allreduce_group_create(tutti_comm* comm, size_t fused_bytes, size_t piece_bytes,
                                          tutti_allreduce_group** group);

/* Adds tutti_allreduce(comm, data, ...). `data` stays until the group is started, and then belongs to the operation. */
tutti_result tutti_allreduce_group_add(tutti_allreduce_group* group, void* data, size_t count, tutti_dtype dtype,
                                       tutti_op op);

/* Starts all that was added and empties the group. Collective: all ranks have added the same counts, dtypes and
 * operators in the same order. */
tutti_result tutti_allreduce_group_start(tutti_allreduce_group* group, tutti_request** operation);
void tutti_allreduce_group_free(tutti_allreduce_group* group);

/* ---- User-defined operators */

/* out[i] = left[i] op right[i] for `count` elements; `out` may be exactly `left` or exactly `right`. Memory has any
 * alignment. Must be associative, and must not call tutti. `context` is what the function was created with. */
typedef void (*tutti_user_function)(const void* left, const void* right, void* out, size_t count, void* context);

typedef struct tutti_user_op tutti_user_op; /* opaque */

/* For elements of `element_bytes`. commutative of 0: contributions are reduced strictly in rank order. `name` stands
 * in messages; it, the bytes of an element and commutativity are compared between ranks. Local. */
tutti_result tutti_user_op_create(const char* name, size_t element_bytes, int commutative, tutti_user_function reduce,
                                  void* context, tutti_user_op** function);

/* Operations that use the function may still be under way: `context` has to stay until they are complete. */
void tutti_user_op_free(tutti_user_op* function);

/* As the collectives without _by; counts are elements of the function. */
tutti_result tutti_allreduce_op(tutti_comm* comm, void* data, size_t count, const tutti_user_op* function);
tutti_result tutti_reduce_op(tutti_comm* comm, const void* input, void* output, size_t count,
                             const tutti_user_op* function, int root);
tutti_result tutti_reduce_scatter_op(tutti_comm* comm, const void* input, void* output, size_t count,
                                     const tutti_user_op* function);
tutti_result tutti_iallreduce_op(tutti_comm* comm, void* data, size_t count, const tutti_user_op* function,
                                 tutti_request** operation);
tutti_result tutti_ireduce_op(tutti_comm* comm, const void* input, void* output, size_t count,
                              const tutti_user_op* function, int root, tutti_request** operation);
tutti_result tutti_ireduce_scatter_op(tutti_comm* comm, const void* input, void* output, size_t count,
                                      const tutti_user_op* function, tutti_request** operation);

/* ---- What happened (<tutti/collectives/flight_recorder.hpp>) */

/* Writes this process's last operations to `path`, as JSON. Local. */
tutti_result tutti_write_flight_record(const char* path);

/* Rank 0 writes the timeline of all ranks' last operations to `path`, for chrome://tracing or Perfetto. Collective. */
tutti_result tutti_write_trace(tutti_comm* comm, const char* path);

#ifdef __GNUC__
#pragma GCC visibility pop
#endif
#ifdef __cplusplus
}
#endif

#endif /* TUTTI_TUTTI_H */
