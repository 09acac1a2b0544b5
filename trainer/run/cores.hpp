// How many threads a rank may keep busy.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>

#include <tutti/collectives/communicator.hpp>

namespace tutti::trainer {

/// Threads for a rank's arithmetic where the configuration leaves them open: OMP_NUM_THREADS if it is set, else this
/// rank's share of the cores that it may run on, at least 1. A core that several ranks of the node may run on is
/// divided among them, so ranks that were bound get their own cores, and ranks that were not share the node's. A
/// control group's quota of processor time is a limit for the ranks of the node together. Collective.
/// \throws InvalidArgument if OMP_NUM_THREADS is no number of threads.
int default_threads(const Communicator& comm);

/// What a rank tells the others: its node, and the processors that it may run on, a bit each.
struct Seat {
  std::uint64_t node = 0;
  std::array<std::uint64_t, 128> processors{};
};

/// Threads for the rank of `mine` among all ranks, itself included, where `quota` is what the control group grants the
/// node's ranks together, in processors.
int threads_for(const Seat& mine, std::span<const Seat> all, std::optional<double> quota);

}  // namespace tutti::trainer
