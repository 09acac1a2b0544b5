// Moves the pieces of a data set from the first mover's source to the folders of all movers.
//
// Pieces go through a ring of buffers. A thread reads them (first mover), another stores them, a third reads back what
// was stored; the calling thread alone communicates, and starts a piece as soon as a buffer is free. Every so many
// pieces the movers vote, beside the pieces, on whether one of them has failed: all then stop behind the same piece.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>

#include <tutti/collectives/communicator.hpp>

#include "tools/data/stage_plan.hpp"
#include "tools/data/stage_set.hpp"
#include "tools/data/stage_target.hpp"

namespace tutti::tools::data {

struct TransferResult {
  std::uint64_t bytes_sent = 0;        ///< to the next node of a chain
  std::optional<std::string> problem;  ///< of this rank
};

/// Collective over `movers`, each with its own target; `source` is null but on rank 0. `moved` is called now and then
/// with the bytes that this rank is done with. \throws CommunicationError
TransferResult transfer(const Communicator& movers, std::span<const Piece> pieces, const StagePlan& plan,
                        StageSource* source, StageTarget& target, const std::function<void(std::uint64_t)>& moved);

}  // namespace tutti::tools::data
