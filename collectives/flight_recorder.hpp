// The flight record: what this process's last operations were, and when; and the timeline of all ranks.
//
// Every process remembers its last 1,024 operations (131,072 where TUTTI_TRACE is set), at no cost that can be measured
// (watch/flight_log.hpp; TUTTI_FLIGHT_RECORDER=0 switches it off). They are written
//   - when a communicator fails, if the environment variable TUTTI_FLIGHT_RECORD names a folder, or a file with %r for
//     the rank, %h for the host, %p for the process and %j for the job;
//   - when the program says so, below;
//   - from outside, of a process that hangs or is stopped: `tutti ps --record FILE`.
// TUTTI_TRACE=FILE, in the environment of all ranks, makes rank 0 write the timeline of all ranks when MPI is
// finalised, as Chrome's chrome://tracing and Perfetto read it.
#pragma once

#include <tutti/kernels/cpp20.hpp>

#include <cstdint>
#include <string>

#include <tutti/collectives/communicator.hpp>

#pragma GCC visibility push(default)
namespace tutti {

/// Writes this process's record to `path`, as JSON (watch/record_file.hpp tells the format). Local.
/// \throws DataError if the file cannot be written; InvalidArgument before the first communicator is made.
void write_flight_record(const std::string& path);

/// Rank 0 writes the timeline of all ranks' operations, those of other communicators too, to `path`. Clocks of
/// different machines are compared by messages, and aligned to rank 0's. Collective.
/// \throws DataError on rank 0 if the file cannot be written; CommunicationError if a rank does not come within 60 s,
/// or the communicator's timeout.
void write_trace(const Communicator& comm, const std::string& path);

/// A stretch of the program's own work, from here to the end of the object: timelines show it in a lane of its own,
/// beside the operations. Where TUTTI_TRACE is not set it costs a branch. A process keeps its first 1,048,576.
class TraceSpan {
 public:
  /// `name`: of a text that stays, such as a literal.
  explicit TraceSpan(const char* name) noexcept;
  ~TraceSpan();
  TraceSpan(const TraceSpan&) = delete;
  TraceSpan& operator=(const TraceSpan&) = delete;

 private:
  const char* name_;
  std::int64_t begin_ns_;  // 0: no timeline is asked for
};

}  // namespace tutti
#pragma GCC visibility pop
