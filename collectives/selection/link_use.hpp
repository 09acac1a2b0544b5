// What a schedule asks of a network whose links are known.
#pragma once

#include <vector>

#include <tutti/collectives/network.hpp>
#include <tutti/collectives/schedule/schedule.hpp>

namespace tutti {

/// Of one pass of all data through a schedule with root 0. Fractions are of the data in all blocks.
struct LinkUse {
  struct Ways {
    double moved = 0;  ///< over the busiest link in its busier direction, or by the busiest node over each of its ports
    int links = 0;     ///< most that the last message of a rank goes over: those before it travel while it is prepared
  };
  std::vector<Ways> rounds;
  double moved = 0;  ///< the same for all rounds together
};

/// Whether a network is known, and small enough that all its messages can be followed while a program waits.
inline bool can_follow_links(const NetworkDescription& network) noexcept {
  constexpr int kMostNodes = 4096;
  return network && network.torus.nodes() <= kMostNodes;
}

/// `network` has as many nodes as `shape.size` ranks fill, `ranks_per_node` of them following each other on each. Exact
/// up to 64 rounds and, to bound the work, from every k-th round of longer schedules.
LinkUse links_used(const Algorithm& algorithm, const Shape& shape, int ranks_per_node,
                   const NetworkDescription& network);

}  // namespace tutti
