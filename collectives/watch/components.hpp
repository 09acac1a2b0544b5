// Where the arrows of a graph end.
#pragma once

#include <cstddef>
#include <vector>

namespace tutti::detail {

/// The nodes that arrows of node i lead to.
using Arrows = std::vector<std::vector<std::size_t>>;

/// The same arrows, the other way round.
Arrows reversed(const Arrows& arrows);

/// The sets of nodes, each of which is reached from every other of the set, that arrows lead into and none out of;
/// nodes in ascending order. Kosaraju's algorithm, in time proportional to nodes and arrows.
std::vector<std::vector<std::size_t>> final_components(const Arrows& arrows);

}  // namespace tutti::detail
