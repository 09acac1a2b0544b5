// Strongly connected components; see components.hpp.
#include <algorithm>
#include <cstdint>
#include <utility>

#include <tutti/collectives/watch/components.hpp>

namespace tutti::detail {
namespace {

/// Nodes by when a walk in depth has done with them, the last first.
std::vector<std::size_t> from_last_finished(const Arrows& arrows) {
  std::vector<std::size_t> order;
  std::vector<bool> seen(arrows.size());
  std::vector<std::pair<std::size_t, std::size_t>> path;  // nodes, and the next of their arrows
  for (std::size_t start = 0; start < arrows.size(); ++start) {
    if (seen[start]) continue;
    seen[start] = true;
    path.emplace_back(start, 0);
    while (!path.empty()) {
      auto& [node, next] = path.back();
      if (next == arrows[node].size()) {
        order.push_back(node);
        path.pop_back();
        continue;
      }
      const std::size_t to = arrows[node][next++];
      if (seen[to]) continue;
      seen[to] = true;
      path.emplace_back(to, 0);
    }
  }
  std::reverse(order.begin(), order.end());
  return order;
}

}  // namespace

Arrows reversed(const Arrows& arrows) {
  Arrows back(arrows.size());
  for (std::size_t from = 0; from < arrows.size(); ++from) {
    for (const std::size_t to : arrows[from]) back[to].push_back(from);
  }
  return back;
}

std::vector<std::vector<std::size_t>> final_components(const Arrows& arrows) {
  const Arrows back = reversed(arrows);
  constexpr std::size_t kNone = SIZE_MAX;
  std::vector<std::size_t> component(arrows.size(), kNone);
  std::vector<std::vector<std::size_t>> found;
  for (const std::size_t root : from_last_finished(arrows)) {
    if (component[root] != kNone) continue;
    std::vector<std::size_t> nodes = {root};
    component[root] = found.size();
    for (std::size_t i = 0; i < nodes.size(); ++i) {
      for (const std::size_t from : back[nodes[i]]) {
        if (component[from] != kNone) continue;
        component[from] = found.size();
        nodes.push_back(from);
      }
    }
    found.push_back(std::move(nodes));
  }
  std::erase_if(found, [&](std::vector<std::size_t>& nodes) {
    std::sort(nodes.begin(), nodes.end());
    bool entered = nodes.size() > 1;
    for (const std::size_t node : nodes) {
      entered = entered || !back[node].empty();
      for (const std::size_t to : arrows[node]) {
        if (component[to] != component[node]) return true;
      }
    }
    return !entered;
  });
  std::sort(found.begin(), found.end());
  return found;
}

}  // namespace tutti::detail
