// Measuring what messages and bytes cost between two ranks, in the terms of the cost model.
#pragma once

#include <tutti/collectives/communicator.hpp>

#include "tools/tune/suspicion.hpp"

namespace tutti::tools {

/// Two ranks of a communicator.
struct RankPair {
  int first = -1;
  int second = -1;
  explicit operator bool() const noexcept { return first >= 0; }
};

/// The lowest two ranks that share a node, and the lowest two that do not; none if there are none. Collective.
struct RankPairs {
  RankPair node;
  RankPair network;
};
RankPairs find_pairs(const Communicator& comm);

/// The costs between the two, by tutti's own transport; each is the median over some rounds.
///
///   latency   half the round trip of a small message, without two overheads
///   overhead  of the call that starts a small message
///   gap       16 small messages both ways at once against one each way, by the number of further ones
///   byte      4 MiB both ways at once against 1 MiB
///   reduce, copy   tutti's kernels on 4 MiB
///
/// `distance` and `overlaps` cannot be measured between two ranks: they stay those of `built_in`. Collective; the
/// result is the same on all ranks. A few seconds. \throws CommunicationError if the other does not answer for a
/// minute.
MeasuredLevel measure_costs(const Communicator& comm, const RankPair& pair, const TransportCosts& built_in);

}  // namespace tutti::tools
