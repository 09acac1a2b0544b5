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
#include <cstdint>
#include <memory>
#include <string_view>

#include <tutti/collectives/collectives.hpp>
#include <tutti/collectives/communicator/hierarchy.hpp>
#include <tutti/collectives/selection/cost_model.hpp>
#include <tutti/collectives/selection/selection.hpp>
#include <tutti/collectives/system/task.hpp>

namespace tutti::detail {

/// Its name in CollectiveOptions::algorithm.
inline constexpr std::string_view kHierarchical = "hierarchical";

/// How a hierarchical allreduce would run.
struct HierarchicalPlan {
  int chunks = 1;
  double seconds = 0;  ///< predicted
};

/// The plan for `bytes` of data, in chunks of about `chunk_bytes`, or with 0 as many as are predicted fastest. The same
/// on all ranks.
HierarchicalPlan plan_hierarchical(Hierarchy& levels, std::size_t bytes, std::size_t chunk_bytes);

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
HierarchicalStages plan_stages(Hierarchy& levels, std::size_t bytes, int chunks);

/// Whether it is predicted faster than every allreduce on one level, on a communicator of two
/// (CommunicatorState::hierarchy()). The same on all ranks; remembers recent answers.
bool is_hierarchical_faster(const Communicator& comm, std::size_t count, std::size_t element_bytes);

/// Starts it. The arguments have been checked, up to what every rank of a level checks again.
std::unique_ptr<Task> start_hierarchical(const Communicator& comm, ConstBuffer input, Buffer output, ReduceOp op,
                                         const HierarchicalPlan& plan);

}  // namespace tutti::detail
