// The ranks that a launcher started, as the folder io knows them.
#pragma once

#include <functional>

#include <tutti/io/ranks.hpp>

namespace tutti::tools::data {

/// Calls `body` with all ranks, MPI being started for them; without a launcher with one, and no MPI. `body` throws
/// alike on all ranks: rank 0 prints the error then, and it becomes Reported.
void with_ranks(const std::function<void(io::Ranks&)>& body);

}  // namespace tutti::tools::data
