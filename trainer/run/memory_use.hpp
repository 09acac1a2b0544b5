// How much memory ranks have used at most.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include <tutti/collectives/communicator.hpp>

namespace tutti::trainer {

/// VmHWM of the text of /proc/PID/status, in bytes; nothing if it is not there.
std::optional<std::uint64_t> high_water_in(const std::string& status);

/// Collective: of the rank that has had most memory in use at a time, in bytes. Pages of memory shared with other
/// processes count on every rank that has touched them. Nothing where the system does not tell.
std::optional<std::uint64_t> largest_memory(const Communicator& comm);

}  // namespace tutti::trainer
