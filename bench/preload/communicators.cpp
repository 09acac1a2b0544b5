// What a communicator costs: made and freed by the names that the preload stands before, and by PMPI_ names, which are
// the MPI library's alone, in turn.
//
//     mpirun -n RANKS tutti preload bench_communicators [ROUNDS]
//
// Prints microseconds, medians of 21 turns of ROUNDS (200) communicators each, and the ratio: with the preload, over
// without.
#include <mpi.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <vector>

namespace {

constexpr int kTurns = 21;

using Make = int (*)(MPI_Comm* made);
using Free = int (*)(MPI_Comm* freed);
using Meet = int (*)(MPI_Comm comm);

struct Names {
  Make make;
  Free free;
  Meet meet;
};

struct Case {
  const char* what;
  int barriers;
  Names preloaded;
  Names plain;
};

/// Seconds for one, on the slowest rank.
double time_of(const Names& names, int barriers, int rounds) {
  PMPI_Barrier(MPI_COMM_WORLD);
  const double begin = PMPI_Wtime();
  for (int i = 0; i < rounds; ++i) {
    MPI_Comm comm = MPI_COMM_NULL;
    names.make(&comm);
    for (int b = 0; b < barriers; ++b) names.meet(comm);
    names.free(&comm);
  }
  double time = (PMPI_Wtime() - begin) / rounds;
  PMPI_Allreduce(MPI_IN_PLACE, &time, 1, MPI_DOUBLE, MPI_MAX, MPI_COMM_WORLD);
  return time;
}

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

void measure(const Case& one, int rounds, int rank) {
  std::vector<double> preloaded;
  std::vector<double> plain;
  std::vector<double> ratios;
  for (int turn = 0; turn < kTurns; ++turn) {
    const bool is_first = turn % 2 == 0;
    if (is_first) preloaded.push_back(time_of(one.preloaded, one.barriers, rounds));
    plain.push_back(time_of(one.plain, one.barriers, rounds));
    if (!is_first) preloaded.push_back(time_of(one.preloaded, one.barriers, rounds));
    ratios.push_back(preloaded.back() / plain.back());
  }
  if (rank != 0) return;
  std::printf("%-24s %9.2f %9.2f %6.2f\n", one.what, median(preloaded) * 1e6, median(plain) * 1e6, median(ratios));
}

int group_of_all(MPI_Comm* made, int (*create)(MPI_Comm, MPI_Group, int, MPI_Comm*)) {
  MPI_Group world = MPI_GROUP_NULL;
  PMPI_Comm_group(MPI_COMM_WORLD, &world);
  const int code = create(MPI_COMM_WORLD, world, 7, made);
  PMPI_Group_free(&world);
  return code;
}

int dup(MPI_Comm* made) { return MPI_Comm_dup(MPI_COMM_WORLD, made); }
int dup_plain(MPI_Comm* made) { return PMPI_Comm_dup(MPI_COMM_WORLD, made); }
int split(MPI_Comm* made) { return MPI_Comm_split(MPI_COMM_WORLD, 0, 0, made); }
int split_plain(MPI_Comm* made) { return PMPI_Comm_split(MPI_COMM_WORLD, 0, 0, made); }
int create_group(MPI_Comm* made) { return group_of_all(made, MPI_Comm_create_group); }
int create_group_plain(MPI_Comm* made) { return group_of_all(made, PMPI_Comm_create_group); }

}  // namespace

int main(int argc, char** argv) {
  MPI_Init(&argc, &argv);
  const int rounds = argc > 1 ? std::atoi(argv[1]) : 200;
  int rank = 0;
  MPI_Comm_rank(MPI_COMM_WORLD, &rank);
  const Case cases[] = {
      {"dup, free", 0, {dup, MPI_Comm_free, MPI_Barrier}, {dup_plain, PMPI_Comm_free, PMPI_Barrier}},
      {"split, free", 0, {split, MPI_Comm_free, MPI_Barrier}, {split_plain, PMPI_Comm_free, PMPI_Barrier}},
      {"create_group, free",
       0,
       {create_group, MPI_Comm_free, MPI_Barrier},
       {create_group_plain, PMPI_Comm_free, PMPI_Barrier}},
      {"dup, barrier, free", 1, {dup, MPI_Comm_free, MPI_Barrier}, {dup_plain, PMPI_Comm_free, PMPI_Barrier}},
      {"dup, 10 barriers, free", 10, {dup, MPI_Comm_free, MPI_Barrier}, {dup_plain, PMPI_Comm_free, PMPI_Barrier}},
  };
  if (rank == 0) std::printf("%-24s %9s %9s %6s\n", "microseconds", "preloaded", "plain", "ratio");
  for (const Case& one : cases) measure(one, rounds, rank);
  MPI_Finalize();
  return 0;
}
