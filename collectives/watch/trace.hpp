// Timelines of all ranks in Chrome's trace event format.
//
// A rank is a process of the timeline and each of its operations an event of kind "X"; operations that overlap lie in
// lanes of their own. Times are microseconds of rank 0's clock since the first rank made its first communicator.
#pragma once

#include <mpi.h>

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include <tutti/collectives/transport/bounded_mpi.hpp>
#include <tutti/collectives/transport/clock_offset.hpp>
#include <tutti/collectives/watch/control_block.hpp>
#include <tutti/collectives/watch/program_spans.hpp>

namespace tutti::detail {

/// The events of a process, which its block still has: JSON objects with commas between them. `zero_ns` is the aligned
/// time of 0.
/// `spans`: of the program, in a lane of their own; only this process's are known.
std::string trace_events(const ControlBlock& block, const Record* records, const Alignment& alignment,
                         std::int64_t zero_ns, std::span<const ProgramSpan> spans = {});

/// A whole file of events.
std::string trace_file(std::string_view events);

/// Rank 0 writes the events of all ranks to `path`. Collective. `alignment`: what was measured before, if anything.
/// Once all ranks have come, the limit is put off by 2 s for each. \throws CommunicationError; DataError on rank 0
void write_merged_trace(BoundedMpi& ranks, const std::string& path, Alignment alignment);

/// What TUTTI_TRACE asks for: to be called by all ranks of every communicator that is made.
///
/// One that has all ranks of MPI_COMM_WORLD, and is not made at the same time as another, finds out whether all of them
/// are asked for a timeline, and compares their clocks; at the end of MPI rank 0 then writes it. Where not all are, or
/// not all come to the end, each rank writes what it has to a part, FILE.rankN, and so it does when a communicator
/// fails: `tutti trace` puts them together. \throws CommunicationError
void begin_trace_if_asked(MPI_Comm comm);
void write_trace_part_on_error() noexcept;

}  // namespace tutti::detail
