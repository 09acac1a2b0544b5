#include "tools/perf/spans.hpp"

#include <algorithm>
#include <chrono>
#include <limits>

#include <tutti/collectives/inspect/mpi.hpp>

namespace tutti::tools {
namespace {

/// The extreme of all ranks, one by one, valid on rank 0.
std::vector<std::int64_t> extremes(const Communicator& comm, const std::vector<std::int64_t>& mine, MPI_Op op) {
  std::vector<std::int64_t> all(mine.size());
  detail::check_mpi(MPI_Reduce(mine.data(), all.data(), static_cast<int>(mine.size()), MPI_INT64_T, op, 0, comm.mpi()),
                    "MPI_Reduce");
  return all;
}

}  // namespace

std::int64_t Spans::now() {
  // CLOCK_MONOTONIC, which counts from the start of the system.
  return std::chrono::duration_cast<std::chrono::nanoseconds>(std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

void Spans::skip() {
  begins_.push_back(std::numeric_limits<std::int64_t>::max());
  ends_.push_back(std::numeric_limits<std::int64_t>::min());
}

void Spans::clear() {
  begins_.clear();
  ends_.clear();
}

std::vector<double> Spans::microseconds(const Communicator& comm) const {
  constexpr std::int64_t kNotThere = std::numeric_limits<std::int64_t>::max();
  std::vector<std::int64_t> begins = begins_;
  std::vector<std::int64_t> ends = ends_;
  if (comm.topology().nodes == 1) {
    begins = extremes(comm, begins_, MPI_MIN);
    ends = extremes(comm, ends_, MPI_MAX);
  } else {
    for (std::size_t i = 0; i < ends.size(); ++i) {
      ends[i] = begins[i] == kNotThere ? 0 : ends[i] - begins[i];
      begins[i] = 0;
    }
    ends = extremes(comm, ends, MPI_MAX);
  }
  std::vector<double> microseconds(ends.size());
  for (std::size_t i = 0; i < ends.size(); ++i) microseconds[i] = static_cast<double>(ends[i] - begins[i]) / 1e3;
  return microseconds;
}

}  // namespace tutti::tools
