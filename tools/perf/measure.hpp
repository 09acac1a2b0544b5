// Timing one collective at one size, tutti's and the MPI library's in alternation.
#pragma once

#include <optional>
#include <vector>

#include "tools/perf/collective.hpp"
#include "tools/perf/overlap.hpp"

namespace tutti::tools {

/// What a started collective does beside computation; medians in microseconds.
struct Overlap {
  double compute = 0.0;   ///< the computation alone
  double both = 0.0;      ///< start, computation with tests, wait
  double achieved = 0.0;  ///< overlap_of(), 0 to 1
};

/// Times of one side, in microseconds.
struct Timing {
  double median = 0.0;
  double p99 = 0.0;       ///< of few iterations this is the slowest
  std::size_t wrong = 0;  ///< elements that differed from what they must be, over all ranks and iterations
  std::optional<Overlap> overlap = std::nullopt;  ///< where the started form was measured
};

struct Measurement {
  int iterations = 0;
  Timing tutti;
  std::optional<Timing> mpi = std::nullopt;
};

struct MeasureOptions {
  int iterations = 10;
  int warmup = 5;  ///< iterations before those; the started form has at least 3
  bool with_mpi = true;

  /// Start the collective and wait for it, instead of calling it; then measure its overlap, too.
  bool started = false;
  double test_interval = 10.0;  ///< microseconds of computation between two tests
};

/// Median (of an even number: the mean of the middle two) and 99th percentile (nearest rank). `samples` is not empty.
Timing summarize(std::vector<double> samples);

/// How many iterations a row of `bytes` gets: a function of nothing else, so that all ranks agree.
int iterations_for(std::size_t bytes);

/// Collective. Each iteration: write the buffers, meet at MPI_Barrier, time the call, check the result; tutti's and
/// MPI's calls follow each other, and who is first alternates. An iteration's time is that of its slowest rank.
///
/// Started, an iteration has three parts that are timed so: start and wait; the computation; start, the computation
/// with tests in between, and wait. The computation is about as long as the side's own start and wait took in the
/// warm-up.
///
/// The result is valid on rank 0 except for `wrong`, which is valid everywhere. `computation` is used by the started
/// form.
Measurement measure(const MeasuredCollective& collective, const Call& call, const Pattern& pattern,
                    const MeasureOptions& options, const Computation& computation);

}  // namespace tutti::tools
