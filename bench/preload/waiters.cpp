// What a working rank loses to ranks that wait for it: one rank computes while all others wait in a collective, against
// the same computation while the others sleep, in turn.
//
//     mpirun -n RANKS tutti preload bench_waiters [MILLISECONDS]
//
// Prints milliseconds of the working rank, medians of 15 turns, for computations of about MILLISECONDS (300), the share
// that it loses, and how much of one processor all waiting ranks use together; then the same for the MPI library's own
// collective, by its PMPI_ name.
#include <mpi.h>
#include <sys/resource.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <thread>
#include <vector>

namespace {

constexpr int kTurns = 15;

using Meet = int (*)(MPI_Comm comm);

/// Arithmetic in registers.
std::uint64_t compute(std::uint64_t steps) {
  std::uint64_t value = 88172645463325252U;
  for (std::uint64_t i = 0; i < steps; ++i) {
    value ^= value << 13U;
    value ^= value >> 7U;
    value ^= value << 17U;
  }
  return value;
}

/// Seconds; whatever is computed has to be used.
double time_of(std::uint64_t steps) {
  static volatile std::uint64_t sink = 0;
  const double begin = MPI_Wtime();
  sink = sink + compute(steps);
  return MPI_Wtime() - begin;
}

/// All ranks have come, and those that sleep use no processor meanwhile: `turn` tells the messages apart.
void meet_asleep(int rank, int size, int turn) {
  constexpr auto kPause = std::chrono::milliseconds(2);
  if (rank == 0) {
    for (int r = 1; r < size; ++r) MPI_Send(nullptr, 0, MPI_INT, r, turn, MPI_COMM_WORLD);
    return;
  }
  for (int there = 0; there == 0; std::this_thread::sleep_for(kPause)) {
    MPI_Iprobe(0, turn, MPI_COMM_WORLD, &there, MPI_STATUS_IGNORE);
  }
  MPI_Recv(nullptr, 0, MPI_INT, 0, turn, MPI_COMM_WORLD, MPI_STATUS_IGNORE);
}

/// Seconds of a processor that this process has used.
double used() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  const auto seconds = [](const timeval& time) {
    return static_cast<double>(time.tv_sec) + 1e-6 * static_cast<double>(time.tv_usec);
  };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

/// Rank 0 works; the others wait for it in `meet`, or asleep.
void measure(const char* what, Meet meet, std::uint64_t steps, int rank, int size) {
  std::vector<double> waited_for;
  std::vector<double> alone;
  std::vector<double> ratios;
  std::vector<double> shares;
  for (int turn = 0; turn < kTurns; ++turn) {
    meet_asleep(rank, size, 2 * turn);
    if (rank == 0) waited_for.push_back(time_of(steps));  // the others begin to wait meanwhile
    const double used_before = used();
    meet(MPI_COMM_WORLD);
    double used_waiting = rank == 0 ? 0 : used() - used_before;
    PMPI_Allreduce(MPI_IN_PLACE, &used_waiting, 1, MPI_DOUBLE, MPI_SUM, MPI_COMM_WORLD);
    if (rank == 0) {
      shares.push_back(used_waiting / waited_for.back());
      alone.push_back(time_of(steps));
      ratios.push_back(waited_for.back() / alone.back());
    }
    meet_asleep(rank, size, 2 * turn + 1);
  }
  if (rank != 0) return;
  std::printf("%-16s %10.1f %10.1f %9.1f%% %9.1f%%\n", what, median(waited_for) * 1e3, median(alone) * 1e3,
              (1 - 1 / median(ratios)) * 100, median(shares) * 100);
}

}  // namespace

int main(int argc, char** argv) {
  MPI_Init(&argc, &argv);
  const double milliseconds = argc > 1 ? std::atof(argv[1]) : 300;
  int rank = 0;
  int size = 1;
  MPI_Comm_rank(MPI_COMM_WORLD, &rank);
  MPI_Comm_size(MPI_COMM_WORLD, &size);
  std::uint64_t steps = 20'000'000;
  meet_asleep(rank, size, 0);
  if (rank == 0) {
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
    steps = static_cast<std::uint64_t>(milliseconds * 1e-3 / time_of(steps) * static_cast<double>(steps));
  }
  meet_asleep(rank, size, 1);
  if (rank == 0) std::printf("%-16s %10s %10s %10s %10s\n", "milliseconds", "waited for", "alone", "lost", "used");
  measure("MPI_Barrier", MPI_Barrier, steps, rank, size);
  measure("PMPI_Barrier", PMPI_Barrier, steps, rank, size);
  MPI_Finalize();
  return 0;
}
