// Running a subcommand on all ranks, so that an error ends all of them with one line.
#pragma once

#include <functional>
#include <optional>
#include <string>

#include <tutti/collectives/communicator.hpp>

namespace tutti::tools {

/// Starts MPI, calls `body` with all ranks, ends MPI.
///
/// InvalidArgument is thrown alike on all ranks: rank 0 prints it before MPI ends, because the first rank that exits
/// makes the launcher kill the others, and it becomes Reported. Anything else may have struck this rank alone, with the
/// others waiting for it: it is printed with the rank, and MPI_Abort ends the job.
void run_on_all_ranks(const CommunicatorOptions& options, const std::function<void(const Communicator&)>& body);

/// Returns once all ranks that the launcher started are here, MPI not being started yet: for what rank 0 has printed to
/// come out before another rank's exit makes the launcher kill it.
void meet_before_exit();

/// Collective. If any rank has a problem, all ranks throw InvalidArgument with that of the lowest such rank.
void fail_together(const Communicator& comm, const std::optional<std::string>& problem);

}  // namespace tutti::tools
