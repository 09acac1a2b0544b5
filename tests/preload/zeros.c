/* Minima and maxima of zeros of both signs: all ranks get the same one, with the argument `memory` the lowest rank's.
 */
#include <math.h>

#include "program.h"

enum { kMost = 2000 };

static int differs(const double* values, int count, int is_negative) {
  for (int i = 0; i < count; ++i) {
    if ((signbit(values[i]) != 0) != is_negative) return 1;
  }
  return 0;
}

int main(int argc, char** argv) {
  static const int kCounts[] = {1, 100, kMost};
  static double own[kMost];
  static double all[kMost];
  int failed = 0;
  MPI_Init(&argc, &argv);
  begin();
  for (int c = 0; c < 3; ++c) {
    for (int negative = 0; negative < 1 << size; ++negative) {
      const MPI_Op op = negative % 2 == 0 ? MPI_MIN : MPI_MAX;
      for (int i = 0; i < kCounts[c]; ++i) own[i] = (negative >> rank & 1) != 0 ? -0.0 : 0.0;
      is_served(ALLREDUCE, MPI_COMM_WORLD, (long)sizeof(double) * kCounts[c]);
      MPI_Allreduce(own, all, kCounts[c], MPI_DOUBLE, op, MPI_COMM_WORLD);
      int sign = signbit(all[0]) != 0;
      PMPI_Bcast(&sign, 1, MPI_INT, 0, MPI_COMM_WORLD);
      if (argc > 1) failed += check(sign == (negative & 1), "not the lowest rank's zero");
      if (argc > 1) failed += check(!differs(all, kCounts[c], sign), "not one rank's zeros");
      memcpy(own, all, sizeof all);
      PMPI_Bcast(own, kCounts[c], MPI_DOUBLE, 0, MPI_COMM_WORLD);
      failed += check(memcmp(own, all, sizeof(double) * (size_t)kCounts[c]) == 0, "ranks differ");
    }
  }
  end();
  return failed != 0;
}
