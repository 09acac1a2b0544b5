// Rows of the table of algorithms that are made of stages instead of rounds: collectives of parts of the ranks, whose
// algorithms are chosen in turn (engine/staged_task.hpp).
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>

#include <tutti/collectives/selection/selection.hpp>

namespace tutti {
class Communicator;
}

namespace tutti::detail {

struct Call;
struct StagedPlan;
class WaitingTask;

/// What such a row is chosen by: the levels of a communicator as its largest node sees them, alike on all ranks.
struct LevelPrices {
  int slices;  ///< that the data are cut into, each of which a rank of every node drives
  Selector node;
  Selector network;
};

/// What such a row does; the same on all ranks.
struct StagedAlgorithm {
  const char* part;  ///< the word for what the data are cut into: "chunk"

  /// How it would run `bytes` of data, in parts of about `part_bytes`, or with 0 as many as are predicted fastest; the
  /// plan's segments are the parts.
  Plan (*plan)(const Algorithm& row, LevelPrices& levels, std::size_t bytes, std::size_t part_bytes);

  /// Why it cannot run the call, whose arguments are right; null if it can.
  const char* (*find_problem)(const Communicator& comm, const Call& call);

  /// Starts the call, which has been checked, under its sequence number.
  std::unique_ptr<WaitingTask> (*start)(const Communicator& comm, const Call& call, const StagedPlan& plan,
                                        std::uint64_t sequence);
};

}  // namespace tutti::detail
