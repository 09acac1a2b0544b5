// Double-tree allreduce: each half of the data is reduced up a tree of its own and broadcast down again
// (collectives/schedule/algorithms/double_tree.hpp).
//
// Both trees span all ranks; a rank that passes one half on is a leaf for the other, so every rank sends and receives
// 2n bytes in all. With S segments about 4 log2 P alpha + 2n (1 + 4 log2 P / S) beta: the bytes of the ring in the
// rounds of a tree.
#include <tutti/allreduce/algorithms/algorithms.hpp>
#include <tutti/collectives/schedule/algorithms/double_tree.hpp>

namespace tutti {
namespace {

int double_tree_allreduce_rounds(const Shape& shape) noexcept { return 4 * HalfTree(shape.size, 0).levels(); }

void double_tree_allreduce_round(const Position& at, int index, Round& round) {
  const int which = index % 2;
  const int step = index / 2;
  const HalfTree tree(at.size, which);
  if (step < tree.levels()) {
    half_tree_reduce_round(at, tree, 0, step, Slot::output, which, round);
  } else {
    half_tree_broadcast_round(at, tree, 0, 2 * tree.levels() - 1 - step, which, round);
  }
}

}  // namespace

const Algorithm kDoubleTreeAllreduce = {.name = "double_tree",
                                        .collective = Collective::allreduce,
                                        .single_block = true,
                                        .pipelining = Pipelining::each_round,
                                        .alternating_parts = 2,
                                        .blocks = two_blocks,
                                        .rounds = double_tree_allreduce_rounds,
                                        .round = double_tree_allreduce_round,
                                        .needs_scratch = no_scratch};

}  // namespace tutti
