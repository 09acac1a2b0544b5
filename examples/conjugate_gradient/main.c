/* Conjugate gradients for Poisson's equation -(u_xx + u_yy) = f on the unit square, u = 0 on its edge, over all ranks.
 *
 * The square has N x N inner points, of which each rank holds some whole rows, and the row above and below them that
 * its neighbours hold (the halo). An iteration exchanges these rows as messages, which travel while the rows that do
 * not need them are worked on, and sums two dot products over all ranks.
 *
 * f is chosen so that u = x (1 - x) y (1 - y). The five points of the discrete operator are exact for it, so what is
 * found must be u at every point up to the tolerance of the solver.
 *
 *   conjugate_gradient [N]        exit status 0 if the solution is right */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <tutti/tutti.h>

#define TOLERANCE 1e-10 /* of the residual's norm, relative to that of f */

static tutti_comm* comm = NULL;

static void require(tutti_result result, const char* what) {
  if (result == TUTTI_SUCCESS) return;
  fprintf(stderr, "conjugate_gradient: %s: %s\n", what, tutti_error_text());
  MPI_Abort(MPI_COMM_WORLD, 1);
}

/* What a rank holds of a function on the square: rows 1 to `rows`, and the halo, rows 0 and rows + 1. */
typedef struct grid {
  int n;     /* points of a row, and of a column of the whole */
  int rows;  /* that this rank holds */
  int first; /* number of the first of them in the whole, from 0 */
} grid;

static size_t points(const grid* g) { return (size_t)g->rows * (size_t)g->n; }

static double* row(const grid* g, double* u, int i) { return u + (size_t)i * (size_t)g->n; }
static const double* const_row(const grid* g, const double* u, int i) { return u + (size_t)i * (size_t)g->n; }

static double* make_function(const grid* g) {
  void* memory = NULL;
  require(tutti_allocate(comm, points(g) + 2 * (size_t)g->n, TUTTI_F64, &memory), "tutti_allocate");
  return memory; /* zeros: the edge of the square is right already */
}

/* Starts the exchange of the rows next to the neighbours'. */
static tutti_request* start_halo(const grid* g, double* u) {
  const int above = tutti_comm_rank(comm) - 1;
  const int below = tutti_comm_rank(comm) + 1;
  const size_t n = (size_t)g->n;
  tutti_message_group* group = NULL;
  tutti_request* exchange = NULL;
  require(tutti_message_group_create(comm, &group), "tutti_message_group_create");
  if (above >= 0) {
    require(tutti_message_group_receive(group, row(g, u, 0), n, TUTTI_F64, above, NULL), "receive");
    require(tutti_message_group_send(group, row(g, u, 1), n, TUTTI_F64, above), "send");
  }
  if (below < tutti_comm_size(comm)) {
    require(tutti_message_group_receive(group, row(g, u, g->rows + 1), n, TUTTI_F64, below, NULL), "receive");
    require(tutti_message_group_send(group, row(g, u, g->rows), n, TUTTI_F64, below), "send");
  }
  require(tutti_message_group_start(group, &exchange), "tutti_message_group_start");
  tutti_message_group_free(group);
  return exchange;
}

/* Row i of out = A p, A the negative Laplacian times the square of the distance between points. */
static void apply_to_row(const grid* g, const double* p, double* out, int i) {
  const double* up = const_row(g, p, i - 1);
  const double* here = const_row(g, p, i);
  const double* down = const_row(g, p, i + 1);
  double* to = row(g, out, i);
  for (int j = 0; j < g->n; ++j) {
    const double left = j > 0 ? here[j - 1] : 0;
    const double right = j + 1 < g->n ? here[j + 1] : 0;
    to[j] = 4 * here[j] - left - right - up[j] - down[j];
  }
}

static void apply(const grid* g, double* p, double* out) {
  tutti_request* exchange = start_halo(g, p);
  for (int i = 2; i < g->rows; ++i) apply_to_row(g, p, out, i);
  require(tutti_wait(exchange), "halo exchange");
  tutti_request_free(exchange);
  if (g->rows > 0) apply_to_row(g, p, out, 1);
  if (g->rows > 1) apply_to_row(g, p, out, g->rows);
}

/* Over all ranks, on all ranks. */
static double dot(const grid* g, const double* a, const double* b) {
  const double* x = const_row(g, a, 1);
  const double* y = const_row(g, b, 1);
  double sum = 0;
  for (size_t i = 0; i < points(g); ++i) sum += x[i] * y[i];
  require(tutti_allreduce(comm, &sum, 1, TUTTI_F64, TUTTI_SUM), "dot product");
  return sum;
}

/* a = b * factor + c */
static void combine(const grid* g, double* a, const double* b, double factor, const double* c) {
  const size_t begin = (size_t)g->n;
  for (size_t i = begin; i < begin + points(g); ++i) a[i] = b[i] * factor + c[i];
}

/* Solves A u = f; u is zero before. Returns the number of iterations. */
static int solve(const grid* g, double* u, const double* f) {
  double* residual = make_function(g);
  double* direction = make_function(g);
  double* applied = make_function(g);
  combine(g, residual, u, 0, f);
  combine(g, direction, u, 0, f);
  const double whole = dot(g, f, f);
  double left = whole;
  int iterations = 0;
  for (; left > TOLERANCE * TOLERANCE * whole && iterations < 10 * g->n; ++iterations) {
    apply(g, direction, applied);
    const double step = left / dot(g, direction, applied);
    combine(g, u, direction, step, u);
    combine(g, residual, applied, -step, residual);
    const double now = dot(g, residual, residual);
    combine(g, direction, direction, now / left, residual);
    left = now;
  }
  require(tutti_free(comm, residual), "tutti_free");
  require(tutti_free(comm, direction), "tutti_free");
  require(tutti_free(comm, applied), "tutti_free");
  return iterations;
}

int main(int argc, char** argv) {
  MPI_Init(&argc, &argv);
  const int n = argc > 1 ? atoi(argv[1]) : 200;
  require(tutti_comm_create(MPI_COMM_WORLD, 60.0, &comm), "tutti_comm_create");
  const int rank = tutti_comm_rank(comm);
  const int size = tutti_comm_size(comm);
  if (n < size) {
    if (rank == 0) fprintf(stderr, "conjugate_gradient: N is %d, less than one row for each of %d ranks\n", n, size);
    tutti_comm_free(comm);
    MPI_Finalize();
    return 2;
  }
  const int first = (int)((long long)n * rank / size);
  const grid g = {.n = n, .rows = (int)((long long)n * (rank + 1) / size) - first, .first = first};
  double* u = make_function(&g);
  double* f = make_function(&g);
  const double h = 1.0 / (n + 1);
  for (int i = 1; i <= g.rows; ++i) {
    const double y = (g.first + i) * h;
    for (int j = 0; j < n; ++j) {
      const double x = (j + 1) * h;
      row(&g, f, i)[j] = 2 * h * h * (x * (1 - x) + y * (1 - y));
    }
  }

  const int iterations = solve(&g, u, f);

  double error = 0;
  for (int i = 1; i <= g.rows; ++i) {
    const double y = (g.first + i) * h;
    for (int j = 0; j < n; ++j) {
      const double x = (j + 1) * h;
      const double off = fabs(row(&g, u, i)[j] - x * (1 - x) * y * (1 - y));
      if (!(off <= error)) error = off; /* a NaN is an error too */
    }
  }
  require(tutti_allreduce(comm, &error, 1, TUTTI_F64, TUTTI_MAX), "largest error");
  if (rank == 0)
    printf("%d x %d points on %d ranks: %d iterations, largest error %.1e\n", n, n, size, iterations, error);
  require(tutti_free(comm, u), "tutti_free");
  require(tutti_free(comm, f), "tutti_free");
  tutti_comm_free(comm);
  MPI_Finalize();
  return error < 1e-9 ? 0 : 1;
}
