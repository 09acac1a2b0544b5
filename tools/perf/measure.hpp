// Timing one collective at one size, tutti's and the MPI library's in alternation.
#pragma once

#include <optional>
#include <span>
#include <vector>

#include "tools/perf/collective.hpp"
#include "tools/perf/compressed_calls.hpp"
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
  std::optional<Overlap> overlap = std::nullopt;  ///< where the non-blocking form was measured
};

struct Measurement {
  int iterations = 0;  ///< that were timed
  std::optional<Timing> tutti = std::nullopt;
  std::optional<Timing> mpi = std::nullopt;
  std::optional<Timing> codec = std::nullopt;  ///< its wrong elements are those that differ from rank 0's
};

struct MeasureOptions {
  int iterations = 10;
  int warmup = 5;        ///< iterations before those; the non-blocking form has at least 3
  double seconds = 0.0;  ///< fewer iterations of both kinds, at least one of each, if they take longer; 0: no limit
  bool with_tutti = true;
  bool with_mpi = true;

  /// Start the collective and wait for it, instead of calling it; then measure its overlap, too.
  bool nonblocking = false;
  double test_interval = 10.0;  ///< microseconds of computation between two tests
};

/// Median (of an even number: the mean of the middle two) and 99th percentile (nearest rank). `samples` is not empty.
Timing summarize(std::vector<double> samples);

/// How many calls of a row of `bytes` follow each other at once where nobody says: a function of nothing else, so that
/// all ranks agree.
int batch_for(std::size_t bytes);

/// How many iterations a row of `bytes` gets, of so many calls each; again of nothing else.
int iterations_for(std::size_t bytes, int batch = 1);

/// Collective. Each iteration: write the buffers, meet at MPI_Barrier, time the calls of `batch`, which have buffers of
/// their own and follow each other at once, check the results; tutti's and MPI's turns follow each other, and who is
/// first alternates. An iteration's time is that of Spans::microseconds(), over the calls of the batch.
///
/// Started, an iteration has three parts that are timed so: start and wait; the computation; start, the computation
/// with tests in between, and wait. The computation is about as long as the side's own start and wait took in the
/// warm-up.
///
/// The result is valid on rank 0 except for `wrong`, which is valid everywhere. `computation` is used by the started
/// form. With `codec` the compressed allreduce of the calls, which are in place, has its turn after the two.
Measurement measure(const MeasuredCollective& collective, std::span<const Call> batch, const Pattern& pattern,
                    const MeasureOptions& options, const Computation& computation, CompressedCalls* codec = nullptr);

}  // namespace tutti::tools
