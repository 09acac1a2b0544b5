// Timing one collective at one size, tutti's and the MPI library's in alternation.
#pragma once

#include <optional>
#include <vector>

#include "tools/perf/collective.hpp"

namespace tutti::tools {

/// Times of one side, in microseconds.
struct Timing {
  double median = 0.0;
  double p99 = 0.0;       ///< of few iterations this is the slowest
  std::size_t wrong = 0;  ///< elements that differed from what they must be, over all ranks and iterations
};

struct Measurement {
  int iterations = 0;
  Timing tutti;
  std::optional<Timing> mpi;
};

/// Median (of an even number: the mean of the middle two) and 99th percentile (nearest rank). `samples` is not empty.
Timing summarize(std::vector<double> samples);

/// How many iterations a row of `bytes` gets: a function of nothing else, so that all ranks agree.
int iterations_for(std::size_t bytes);

/// MeasuredCollective. Each iteration: write the buffers, meet at MPI_Barrier, time the call, check the result; tutti's
/// and MPI's calls follow each other, and who is first alternates. An iteration's time is that of its slowest rank. The
/// result is valid on rank 0 except for `wrong`, which is valid everywhere.
Measurement measure(const MeasuredCollective& collective, const Call& call, const Pattern& pattern, int iterations,
                    int warmup, bool with_mpi);

}  // namespace tutti::tools
