// Allreduce on two levels: inside the nodes, and between them.
//
// Before: every rank holds its contribution. After: every rank holds the result.
//
// The data are cut into chunks, which go through three stages each, several under way at once:
//   1. the ranks of a node reduce_scatter: local rank i holds slice i of the node's sum;
//   2. the ranks with slice i of all nodes allreduce it;
//   3. the ranks of a node all_gather the slices.
// Slices are as many as the smallest node has ranks (collectives/communicator/hierarchy.hpp). With N nodes of k ranks
// and n bytes, a rank sends 2 (N-1)/N n/k bytes to other nodes and 2 (k-1)/k n inside its own.
//
// Stages 1 and 3 are made in the memory of the node where its ranks share it, and otherwise, as stage 2, by schedules
// that are chosen for their level.
#pragma once

#include <cstddef>

#include <tutti/collectives/schedule/schedule.hpp>
#include <tutti/collectives/selection/cost_model.hpp>
#include <tutti/collectives/selection/selection.hpp>
#include <tutti/collectives/selection/staged_algorithm.hpp>

namespace tutti {

/// The row of the table.
extern const Algorithm kHierarchicalAllreduce;

namespace detail {

/// The schedules of the stages of a chunk, as the largest node and all nodes see them; without algorithm where a level
/// has a single rank.
struct HierarchicalStages {
  int chunks = 1;
  std::size_t chunk_bytes = 0;
  std::size_t slice_bytes = 0;
  Plan reduce_in_node = {};
  Plan across_nodes = {};
  Plan gather_in_node = {};

  /// Of all chunks, of which one is in a node while another is between the nodes.
  Prediction total() const noexcept;
};
HierarchicalStages plan_stages(LevelPrices& levels, std::size_t bytes, int chunks);

}  // namespace detail
}  // namespace tutti
