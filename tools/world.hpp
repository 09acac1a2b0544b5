// Running a subcommand on all ranks, so that an error ends all of them with one line.
#pragma once

#include <functional>
#include <optional>
#include <string>

#include <tutti/collectives/communicator.hpp>

namespace tutti::tools {

/// Starts MPI, calls `body` with all ranks, ends MPI.
///
/// InvalidArgument passes through: it is thrown alike on all ranks, and main() prints it on rank 0. Anything else may
/// have struck this rank alone, with the others waiting for it: it is printed here with the rank, and MPI_Abort ends
/// the job.
void run_on_all_ranks(const CommunicatorOptions& options, const std::function<void(const Communicator&)>& body);

/// Collective. If any rank has a problem, all ranks throw InvalidArgument with that of the lowest such rank.
void agree(const Communicator& comm, const std::optional<std::string>& problem);

}  // namespace tutti::tools
