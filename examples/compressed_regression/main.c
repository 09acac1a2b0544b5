/* Linear regression by gradient descent on rows that are divided among the ranks. The gradients are averaged by a
 * codec, given as the argument, which is the largest 5% of each gradient by default: what a rank does not send it adds
 * to its next gradient. Half way the program saves what is held back, as a checkpoint would, and goes on from that.
 *
 *     compressed_regression [CODEC] */
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <tutti/compression.h>
#include <tutti/tutti.h>

#define WEIGHTS 400
#define ROWS 1600
#define STEPS 1000

static void check(tutti_result result, const char* what) {
  if (result == TUTTI_SUCCESS) return;
  fprintf(stderr, "%s: %s\n", what, tutti_error_text());
  MPI_Abort(MPI_COMM_WORLD, 1);
}

/* In [-1, 1), from any number: an integer hash. */
static float draw(uint32_t number) {
  number = (number ^ (number >> 16)) * 0x7feb352dU;
  number = (number ^ (number >> 15)) * 0x846ca68bU;
  return (float)(number >> 8) / 8388608.0F - 1.0F;
}

/* gradient = inputs^T (inputs weights - outputs) / ROWS */
static void find_gradient(const float* inputs, const float* outputs, const float* weights, float* gradient) {
  memset(gradient, 0, WEIGHTS * sizeof *gradient);
  for (size_t r = 0; r < ROWS; ++r) {
    const float* const row = inputs + r * WEIGHTS;
    float difference = -outputs[r];
    for (size_t i = 0; i < WEIGHTS; ++i) difference += row[i] * weights[i];
    for (size_t i = 0; i < WEIGHTS; ++i) gradient[i] += row[i] * difference / ROWS;
  }
}

static tutti_compression* create(tutti_comm* comm, const char* codec) {
  const tutti_tensor tensor = {.offset = 0, .count = WEIGHTS};
  tutti_compression* compression = NULL;
  check(tutti_compression_create(comm, &tensor, 1, codec, TUTTI_AVG, &compression), "tutti_compression_create");
  return compression;
}

/* A compression that goes on where another one stands: what a program does that stops and resumes, through a file. */
static tutti_compression* resume(tutti_comm* comm, const char* codec, tutti_compression* old) {
  tutti_compression* compression = create(comm, codec);
  size_t arrays = 0;
  check(tutti_compression_arrays(old, &arrays), "tutti_compression_arrays");
  for (size_t a = 0; a < arrays; ++a) {
    tutti_compression_array from;
    tutti_compression_array to;
    check(tutti_compression_array_at(old, a, &from), "tutti_compression_array_at");
    check(tutti_compression_array_at(compression, a, &to), "tutti_compression_array_at");
    memcpy(to.values, from.values, from.count * sizeof *from.values);
  }
  tutti_compression_free(old);
  return compression;
}

int main(int argc, char** argv) {
  static float inputs[ROWS * WEIGHTS];
  static float outputs[ROWS];
  float weights[WEIGHTS] = {0};
  float gradient[WEIGHTS];
  const char* const codec = argc > 1 ? argv[1] : "topk:density=0.05";
  tutti_comm* comm = NULL;

  MPI_Init(&argc, &argv);
  check(tutti_comm_create(MPI_COMM_WORLD, 60, &comm), "tutti_comm_create");

  /* This rank's rows. Weight i is draw(i). */
  const uint32_t first_row = (uint32_t)tutti_comm_rank(comm) * ROWS + 1;
  for (uint32_t r = 0; r < ROWS; ++r)
    for (uint32_t i = 0; i < WEIGHTS; ++i) {
      inputs[r * WEIGHTS + i] = draw((first_row + r) * WEIGHTS + i);
      outputs[r] += inputs[r * WEIGHTS + i] * draw(i);
    }

  tutti_compression* compression = create(comm, codec);
  for (uint64_t step = 0; step < STEPS; ++step) {
    tutti_request* request = NULL;
    if (step == STEPS / 2) compression = resume(comm, codec, compression);
    find_gradient(inputs, outputs, weights, gradient);
    check(tutti_compression_start(compression, gradient, WEIGHTS, step, &request), "tutti_compression_start");
    check(tutti_wait(request), "tutti_wait"); /* there could be other work before */
    tutti_request_free(request);
    for (size_t i = 0; i < WEIGHTS; ++i) weights[i] -= 0.1F * gradient[i];
  }

  float worst = 0;
  for (uint32_t i = 0; i < WEIGHTS; ++i) worst = fmaxf(worst, fabsf(weights[i] - draw(i)));
  if (tutti_comm_rank(comm) == 0)
    printf("%d ranks, %s: %zu bytes a step instead of %zu, largest error %.1e\n", tutti_comm_size(comm), codec,
           tutti_compression_payload_bytes(compression), sizeof gradient, (double)worst);
  tutti_compression_free(compression);
  tutti_comm_free(comm);
  MPI_Finalize();
  return 0;
}
