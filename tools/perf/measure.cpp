#include "tools/perf/measure.hpp"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdint>

#include <tutti/collectives/mpi_call.hpp>

namespace tutti::tools {
namespace {

using Clock = std::chrono::steady_clock;

/// Samples of the slowest rank, valid on rank 0.
std::vector<double> slowest_rank(const Communicator& comm, const std::vector<double>& mine) {
  std::vector<double> slowest(mine.size());
  detail::check_mpi(
      MPI_Reduce(mine.data(), slowest.data(), static_cast<int>(mine.size()), MPI_DOUBLE, MPI_MAX, 0, comm.mpi()),
      "MPI_Reduce");
  return slowest;
}

/// One library's part of a row on this rank: what it is, its samples in microseconds, and its mistakes.
class Side {
 public:
  Side(const MeasuredCollective& collective, const Calls& calls, const Call& call, const Pattern& pattern,
       const Computation& computation)
      : collective_(collective), calls_(calls), call_(call), pattern_(pattern), computation_(computation) {}

  void at_once(int iteration) {
    timed(
        iteration, [&] { calls_.run(call_); }, times_);
  }

  void started(int iteration) {
    timed(
        iteration, [&] { calls_.start(call_).wait(); }, times_);
  }

  /// The computation alone, then together with the collective.
  void overlapped(int iteration) {
    meet();
    const auto start = Clock::now();
    computation_.run([] {});
    computing_.push_back(microseconds_since(start));
    timed(
        iteration,
        [&] {
          Operation operation = calls_.start(call_);
          computation_.run([&] { operation.test(); });
          operation.wait();
        },
        both_);
  }

  /// Warm-up is checked but not timed. Started, its times say how long to compute.
  void end_warmup(bool started, double test_interval) {
    if (started) {
      double length = summarize(slowest_rank(*call_.comm, times_)).median;
      detail::check_mpi(MPI_Bcast(&length, 1, MPI_DOUBLE, 0, call_.comm->mpi()), "MPI_Bcast");
      computation_.set_length(std::max(length, 0.01), test_interval);
    }
    times_.clear();
  }

  Timing timing() const {
    Timing timing = summarize(slowest_rank(*call_.comm, times_));
    const std::uint64_t mine = wrong_;
    std::uint64_t all = 0;
    detail::check_mpi(MPI_Allreduce(&mine, &all, 1, MPI_UINT64_T, MPI_SUM, call_.comm->mpi()), "MPI_Allreduce");
    timing.wrong = all;
    if (both_.empty()) return timing;
    const double compute = summarize(slowest_rank(*call_.comm, computing_)).median;
    const double both = summarize(slowest_rank(*call_.comm, both_)).median;
    timing.overlap = Overlap{.compute = compute, .both = both, .achieved = overlap_of(timing.median, compute, both)};
    return timing;
  }

 private:
  static double microseconds_since(Clock::time_point start) {
    return std::chrono::duration<double, std::micro>(Clock::now() - start).count();
  }
  void meet() const { detail::check_mpi(MPI_Barrier(call_.comm->mpi()), "MPI_Barrier"); }

  template <class Body>
  void timed(int iteration, Body body, std::vector<double>& samples) {
    prepare(collective_, call_, pattern_, iteration);
    meet();
    const auto start = Clock::now();
    body();
    samples.push_back(microseconds_since(start));
    wrong_ += collective_.count_wrong(call_, pattern_, iteration);
  }

  const MeasuredCollective& collective_;
  const Calls& calls_;
  const Call& call_;
  const Pattern& pattern_;
  Computation computation_;  // a copy: each side computes as long as its own collective takes
  std::vector<double> times_;
  std::vector<double> computing_;
  std::vector<double> both_;
  std::size_t wrong_ = 0;
};

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

Measurement measure(const MeasuredCollective& collective, const Call& call, const Pattern& pattern,
                    const MeasureOptions& options, const Computation& computation) {
  Side ours(collective, *collective.tutti, call, pattern, computation);
  Side theirs(collective, *collective.mpi, call, pattern, computation);
  const auto in_turn = [&](int i, auto part) {
    const bool mpi_first = i % 2 == 1;
    if (options.with_mpi && mpi_first) part(theirs);
    part(ours);
    if (options.with_mpi && !mpi_first) part(theirs);
  };
  const int warmup = options.started ? std::max(options.warmup, 3) : options.warmup;
  for (int i = 0; i < warmup + options.iterations; ++i) {
    if (i == warmup) in_turn(0, [&](Side& side) { side.end_warmup(options.started, options.test_interval); });
    if (!options.started) {
      in_turn(i, [&](Side& side) { side.at_once(i); });
      continue;
    }
    in_turn(i, [&](Side& side) { side.started(2 * i); });  // data of every call's own
    if (i >= warmup) in_turn(i, [&](Side& side) { side.overlapped(2 * i + 1); });
  }
  Measurement result{.iterations = options.iterations, .tutti = ours.timing()};
  if (options.with_mpi) result.mpi = theirs.timing();
  return result;
}

}  // namespace tutti::tools
