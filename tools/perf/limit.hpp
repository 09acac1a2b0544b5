// What this machine's point-to-point messages allow, measured, and what that means for a collective: the least time
// that it could take (bench/README.md, "Percent of point to point").
#pragma once

#include <cstddef>
#include <optional>

#include "tools/perf/collective.hpp"

namespace tutti::tools {

struct MachineLimit {
  double one_way_us = 0.0;      ///< a message of 8 bytes, from send to receipt
  double exchange_gb_s = 0.0;   ///< what a rank sends while it receives as much, all ranks at once
  double one_sided_gb_s = 0.0;  ///< what a rank sends that receives nothing, alone; at least exchange_gb_s
};

/// Collective; alike on all ranks. By MPI point to point, with messages of up to `largest` bytes (at least 64 KiB, at
/// most 16 MiB), of which the size that does best counts. Nothing for a single rank. Takes two buffers of the largest
/// message.
std::optional<MachineLimit> measure_limit(const Communicator& comm, std::size_t largest);

/// Bytes that measure_limit() allocates for this `largest`.
std::size_t limit_memory(std::size_t largest);

/// The fewest rounds in which what one rank knows can reach all `ranks`, or all can reach one, where a rank sends to
/// one and receives from one in a round.
int least_rounds(int ranks);

/// The least microseconds for `bus_bytes` on the busiest link: the larger of the time of the messages that must follow
/// each other and the time of the bytes. A `rooted` collective's busiest link is the root's, which is used one way.
double least_time(const MachineLimit& limit, int ranks, double bus_bytes, bool rooted);

}  // namespace tutti::tools
