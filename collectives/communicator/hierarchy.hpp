// The two levels of a communicator whose ranks live on several nodes.
#pragma once

#include <algorithm>
#include <optional>
#include <span>
#include <vector>

#include <tutti/collectives/communicator/rank_group.hpp>
#include <tutti/collectives/selection/staged_algorithm.hpp>

namespace tutti::detail {

/// Who works with whom in a hierarchical collective. The data are cut into slices, as many as the smallest node has
/// ranks; local rank i of every node drives slice i over the network, so that all nodes send from as many ranks as
/// they have in common. The other ranks of larger nodes contribute and receive inside their node.
struct Hierarchy {
  LevelPrices prices;
  RankGroup node;                   ///< the ranks of this node
  std::optional<RankGroup> across;  ///< one rank of every node, those with this rank's slice; nothing if it has none
};

/// Whether there are several nodes and one of them has several ranks. `node_of` is the node of every rank, nodes being
/// numbered in the order of their lowest rank.
inline bool has_two_levels(std::span<const int> node_of) noexcept {
  const int nodes = node_of.empty() ? 0 : *std::max_element(node_of.begin(), node_of.end()) + 1;
  return nodes > 1 && static_cast<std::size_t>(nodes) < node_of.size();
}

/// The levels as `rank` sees them. `network` is what messages between nodes cost where one rank of a node sends,
/// `between_nodes` what is known of the nodes' network; it serves where ranks of a slice rise with their nodes.
Hierarchy make_hierarchy(std::span<const int> node_of, int rank, const TransportCosts& node,
                         const TransportCosts& network, const NetworkDescription& between_nodes = {});

/// Whether the ranks of every node follow each other.
bool are_nodes_contiguous(std::span<const int> node_of) noexcept;

/// The most ranks that a node has.
int largest_node(std::span<const int> node_of);

}  // namespace tutti::detail
