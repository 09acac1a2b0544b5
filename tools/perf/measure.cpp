#include "tools/perf/measure.hpp"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdint>

#include <tutti/collectives/mpi_call.hpp>

namespace tutti::tools {
namespace {

using Clock = std::chrono::steady_clock;

/// One side's samples on this rank.
struct Side {
  void (*run)(const Call&) = nullptr;
  std::vector<double> microseconds;
  std::size_t wrong = 0;
};

void one_iteration(const MeasuredCollective& collective, const Call& call, const Pattern& pattern, int iteration,
                   Side& side) {
  prepare(collective, call, pattern, iteration);
  detail::check_mpi(MPI_Barrier(call.comm.mpi()), "MPI_Barrier");
  const auto start = Clock::now();
  side.run(call);
  const auto end = Clock::now();
  side.microseconds.push_back(std::chrono::duration<double, std::micro>(end - start).count());
  collective.check(call, pattern, iteration, side.wrong);
}

Timing over_all_ranks(const Communicator& comm, const Side& side) {
  std::vector<double> slowest(side.microseconds.size());
  detail::check_mpi(MPI_Reduce(side.microseconds.data(), slowest.data(), static_cast<int>(slowest.size()), MPI_DOUBLE,
                               MPI_MAX, 0, comm.mpi()),
                    "MPI_Reduce");
  const std::uint64_t mine = side.wrong;
  std::uint64_t all = 0;
  detail::check_mpi(MPI_Allreduce(&mine, &all, 1, MPI_UINT64_T, MPI_SUM, comm.mpi()), "MPI_Allreduce");
  Timing timing = summarize(std::move(slowest));
  timing.wrong = all;
  return timing;
}

}  // namespace

Timing summarize(std::vector<double> samples) {
  std::sort(samples.begin(), samples.end());
  const std::size_t n = samples.size();
  const auto rank99 = static_cast<std::size_t>(std::ceil(0.99 * static_cast<double>(n)));
  return {.median = (samples[(n - 1) / 2] + samples[n / 2]) / 2.0, .p99 = samples[rank99 - 1]};
}

int iterations_for(std::size_t bytes) {
  constexpr std::size_t kBytesPerRow = std::size_t{256} << 20;
  constexpr std::size_t kMost = 1000;
  constexpr std::size_t kFewest = 10;
  return static_cast<int>(std::clamp(kBytesPerRow / std::max<std::size_t>(bytes, 1), kFewest, kMost));
}

Measurement measure(const MeasuredCollective& collective, const Call& call, const Pattern& pattern, int iterations,
                    int warmup, bool with_mpi) {
  Side tutti_side{.run = collective.run, .microseconds = {}, .wrong = 0};
  Side mpi_side{.run = collective.run_mpi, .microseconds = {}, .wrong = 0};
  for (int i = 0; i < warmup + iterations; ++i) {
    if (i == warmup) {  // warm-up is checked but not timed
      tutti_side.microseconds.clear();
      mpi_side.microseconds.clear();
    }
    const bool mpi_first = i % 2 == 1;
    if (with_mpi && mpi_first) one_iteration(collective, call, pattern, i, mpi_side);
    one_iteration(collective, call, pattern, i, tutti_side);
    if (with_mpi && !mpi_first) one_iteration(collective, call, pattern, i, mpi_side);
  }
  Measurement result{.iterations = iterations, .tutti = over_all_ranks(call.comm, tutti_side), .mpi = std::nullopt};
  if (with_mpi) result.mpi = over_all_ranks(call.comm, mpi_side);
  return result;
}

}  // namespace tutti::tools
