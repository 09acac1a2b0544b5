/* ---- Compressed allreduce: <tutti/compression.h>
 *
 * Sums and averages of f32 whose contributions travel encoded, where the network is slower than the cores that encode.
 * Contracts are as in <tutti/compression/compressed_allreduce.hpp>; all ranks get the same bits. A codec is named by
 * text, with its parameters after a colon:
 *
 *     bf16 or int8:rounding=stochastic,seed=7 or topk:density=0.01
 *
 * `tutti compress --list` prints the codecs and their parameters, and so does compression/README.md. `op` is TUTTI_SUM
 * or TUTTI_AVG. `step` is what random draws depend on, and agrees on all ranks: the number of the call, for example.
 * What tutti_comm_set_algorithm() sets is not for these calls.
 *
 * All errors and requests are those of <tutti/tutti.h>. */
#ifndef TUTTI_COMPRESSION_H
#define TUTTI_COMPRESSION_H

#include <stddef.h>
#include <stdint.h>

#include <tutti/tutti.h>

#ifdef __cplusplus
extern "C" {
#endif
#ifdef __GNUC__
#pragma GCC visibility push(default)
#endif

/* Replaces `data`, one tensor, on every rank by what all ranks decode of its reduction. Without feedback: a codec that
 * has it by default is told ":feedback=off". Every rank calls it with the same count, op, codec and step. */
tutti_result tutti_compressed_allreduce(tutti_comm* comm, float* data, size_t count, tutti_op op, const char* codec,
                                        uint64_t step);

/* The same, started, as tutti_iallreduce(). The text may be forgotten at once. */
tutti_result tutti_icompressed_allreduce(tutti_comm* comm, float* data, size_t count, tutti_op op, const char* codec,
                                         uint64_t step, tutti_request** operation);

/* ---- Compressed allreduce of tensors, with feedback
 *
 * It is set up once and started many times, one call at a time. With feedback (":feedback=on" where a codec has it off
 * by default) a rank keeps what a call did not send and adds it to its next contribution: what all calls have given
 * and what all ranks hold back add up to what all ranks have contributed, but for the rounding of f32. */

typedef struct tutti_compression tutti_compression; /* opaque */

/* One tensor of the data of a call. Each is encoded on its own; what is in none is not touched. */
typedef struct tutti_tensor {
  size_t offset; /* of its first element in the data */
  size_t count;
  size_t rows; /* of a matrix, row after row, which "powersgd" needs to know; 0: it is none */
} tutti_tensor;

/* For `count` tensors, which do not overlap, and whose numbers are 0, 1, ... in this order. All ranks give the same.
 * List and text may be forgotten. Local: a rank that gets an error tells the others by tutti_comm_abandon(). */
tutti_result tutti_compression_create(tutti_comm* comm, const tutti_tensor* tensors, size_t count, const char* codec,
                                      tutti_op op, tutti_compression** compression);

/* Starts a call on `data` of `count` elements, which belong to it until it is complete. Collective, as
 * tutti_iallreduce(). TUTTI_ERROR_INVALID_ARGUMENT if a tensor lies outside, or the last call is not complete. */
tutti_result tutti_compression_start(tutti_compression* compression, float* data, size_t count, uint64_t step,
                                     tutti_request** operation);

/* Bytes of this rank's contribution to a call, encoded; with codec "none" those of all tensors. 0 if compression is
 * NULL. */
size_t tutti_compression_payload_bytes(const tutti_compression* compression);

/* What this rank's last complete call did to its contribution of a tensor. All 0 where there is no feedback. */
typedef struct tutti_tensor_facts {
  double values;      /* sum of squares of what was to be sent: data and what was held back */
  double error;       /* sum of squares of what was not sent, and is held back now */
  uint64_t saturated; /* finite values beyond the range of the codec */
} tutti_tensor_facts;

tutti_result tutti_compression_facts(const tutti_compression* compression, size_t tensor, tutti_tensor_facts* facts);

/* What becomes of an array of state on other ranks, or on another number of them. */
typedef enum tutti_state_kind {
  TUTTI_STATE_HELD_BACK = 0, /* not sent yet: its sum over ranks and arrays is what results lack */
  TUTTI_STATE_ADDED = 1,     /* of this rank; may be added to that of another rank that leaves */
  TUTTI_STATE_COMMON = 2     /* the same on all ranks */
} tutti_state_kind;

/* An array of what the next call depends on: zeros at first. A program saves `values` between calls, and writes them
 * back into the arrays of a compression of the same tensors, codec, operator and ranks to go on from there. */
typedef struct tutti_compression_array {
  const char* name; /* "residual"; stays as long as the compression, as values do: ask again before writing them */
  tutti_state_kind kind;
  size_t tensor; /* its number */
  size_t first;  /* the array is that of the tensor's elements [first, first + count), but where `kind` is common */
  size_t count;
  float* values;
  double weight; /* of a value, in units of contributions: the ranks, where averages are held back; otherwise 1 */
} tutti_compression_array;

/* How many there are on this rank: other ranks may have more or fewer. Local. Takes the memory that calls need. */
tutti_result tutti_compression_arrays(tutti_compression* compression, size_t* count);

/* Array `index` of them. Local. */
tutti_result tutti_compression_array_at(tutti_compression* compression, size_t index, tutti_compression_array* array);

/* Before its communicator is. What is held back is lost. */
void tutti_compression_free(tutti_compression* compression);

#ifdef __GNUC__
#pragma GCC visibility pop
#endif
#ifdef __cplusplus
}
#endif

#endif /* TUTTI_COMPRESSION_H */
