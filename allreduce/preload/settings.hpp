// What the environment says of the preload; the table of its variables is in README.md.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>

#include "allreduce/preload/operations.hpp"

namespace tutti::preload {

/// Which ranks print at the end how many calls were served.
enum class Report : std::uint8_t { none, first, all };

inline constexpr std::uint64_t kMessageBytes = 256UL << 10U;

struct Settings {
  // ---- What is served. Ranks that say different things serve what all of them would.

  OperationSet operations = kAllOperations;  ///< TUTTI_PRELOAD and TUTTI_PRELOAD_SERVE
  std::size_t communicators = 32;            ///< TUTTI_PRELOAD_COMMUNICATORS: so many at a time
  std::uint64_t from_call = 16;      ///< TUTTI_PRELOAD_FROM_CALL: the first on a communicator that may be served,
                                     ///< but for MPI_COMM_WORLD
  std::uint64_t rooted_bytes = 512;  ///< TUTTI_PRELOAD_ROOTED_BYTES: least data of a broadcast or reduction to
                                     ///< one rank, where ranks share memory
  /// TUTTI_PRELOAD_MESSAGE_BYTES: least data where ranks share no memory. Unless it is said, calls of one node are
  /// MPI's then, and kMessageBytes the least between nodes.
  std::optional<std::uint64_t> message_bytes = std::nullopt;

  // ---- How long to wait, and what to tell

  std::chrono::duration<double> start_limit = std::chrono::seconds(10);    ///< TUTTI_PRELOAD_START_LIMIT; 0: none
  std::optional<std::chrono::duration<double>> timeout = std::nullopt;     ///< TUTTI_PRELOAD_TIMEOUT
  std::chrono::duration<double> stall_warning = std::chrono::seconds(60);  ///< TUTTI_PRELOAD_STALL_WARNING
  Report report = Report::none;                                            ///< TUTTI_PRELOAD_REPORT
};

/// \throws InvalidArgument naming a variable and what is wrong with it.
Settings read_settings();

}  // namespace tutti::preload
