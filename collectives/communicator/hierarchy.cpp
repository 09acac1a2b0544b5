// The levels of a communicator; see hierarchy.hpp.
#include <utility>

#include <tutti/collectives/communicator/hierarchy.hpp>

namespace tutti::detail {
namespace {

/// The ranks of every node, in rank order.
std::vector<std::vector<int>> members_of(std::span<const int> node_of) {
  std::vector<std::vector<int>> members;
  for (std::size_t rank = 0; rank < node_of.size(); ++rank) {
    const auto node = static_cast<std::size_t>(node_of[rank]);
    if (node >= members.size()) members.resize(node + 1);
    members[node].push_back(static_cast<int>(rank));
  }
  return members;
}

}  // namespace

Hierarchy make_hierarchy(std::span<const int> node_of, int rank, const TransportCosts& node,
                         const TransportCosts& network, const NetworkDescription& between_nodes) {
  const std::vector<std::vector<int>> members = members_of(node_of);
  const auto own_node = static_cast<std::size_t>(node_of[static_cast<std::size_t>(rank)]);
  std::size_t slices = members.front().size();
  std::size_t most = 0;
  for (const std::vector<int>& ranks : members) {
    slices = std::min(slices, ranks.size());
    most = std::max(most, ranks.size());
  }
  TransportCosts shared = network;
  shared.byte *= static_cast<double>(slices);  // so many ranks of a node send at once
  // All groups across nodes choose alike, so what holds for one only is not used.
  const CostContext where = {.network = are_nodes_contiguous(node_of) ? between_nodes : NetworkDescription{}};

  const std::vector<int>& peers = members[own_node];
  const auto local = static_cast<std::size_t>(std::find(peers.begin(), peers.end(), rank) - peers.begin());
  Hierarchy levels{{static_cast<int>(slices), Selector(static_cast<int>(most), node),
                    Selector(static_cast<int>(members.size()), shared, where)},
                   RankGroup(peers, static_cast<int>(local), node),
                   std::nullopt};
  if (local < slices) {
    std::vector<int> same;
    same.reserve(members.size());
    for (const std::vector<int>& ranks : members) same.push_back(ranks[local]);
    // Nodes are numbered by their lowest ranks, so ranks further on need not rise with them.
    std::sort(same.begin(), same.end());
    const auto number = std::find(same.begin(), same.end(), rank) - same.begin();
    levels.across.emplace(std::move(same), static_cast<int>(number), shared, where);
  }
  return levels;
}

bool are_nodes_contiguous(std::span<const int> node_of) noexcept {
  return std::is_sorted(node_of.begin(), node_of.end());
}

int largest_node(std::span<const int> node_of) {
  std::size_t most = 0;
  for (const std::vector<int>& ranks : members_of(node_of)) most = std::max(most, ranks.size());
  return static_cast<int>(most);
}

}  // namespace tutti::detail
