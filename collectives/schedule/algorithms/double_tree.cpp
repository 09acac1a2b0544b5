// Double binary trees; see double_tree.hpp.
#include <bit>

#include <tutti/collectives/schedule/algorithms/double_tree.hpp>

namespace tutti {
namespace {

constexpr int low_bit(int node) noexcept { return node & -node; }
int level_of(int node) noexcept { return std::countr_zero(static_cast<unsigned>(node)); }

// Rounds alternate between the trees; a rooted collective joins the root to both tops in a step of its own.
int rooted_rounds(const Shape& shape) noexcept { return 2 * (HalfTree(shape.size - 1, 0).levels() + 1); }

void double_tree_broadcast_round(const Position& at, int index, Round& round) {
  const int which = index % 2;
  const int step = index / 2;
  const HalfTree tree(at.size - 1, which);
  const int first = wrap(at.root + 1, at.size);
  if (step > 0) return half_tree_broadcast_round(at, tree, first, tree.levels() - step, which, round);
  const int top = wrap(first + tree.top(), at.size);
  if (at.rank == at.root) round.sends.push_back({top, Slot::output, {which, 1}});
  if (at.rank == top) round.receives.push_back({at.root, Slot::output, {which, 1}});
}

void double_tree_reduce_round(const Position& at, int index, Round& round) {
  const int which = index % 2;
  const int level = index / 2;
  const HalfTree tree(at.size - 1, which);
  const int first = wrap(at.root + 1, at.size);
  if (level < tree.levels()) return half_tree_reduce_round(at, tree, first, level, Slot::scratch, which, round);
  const int top = wrap(first + tree.top(), at.size);
  if (at.rank == top) {
    round.sends.push_back({at.root, tree.levels() == 0 ? Slot::input : Slot::scratch, {which, 1}});
  }
  if (at.rank == at.root) {
    round.receives.push_back({top, Slot::output, {which, 1}, Reduction::incoming_right, Slot::input});
  }
}

bool reduce_needs_scratch(const Position& at) noexcept {
  if (at.rank == at.root || at.size == 2) return false;
  const int place = wrap(at.rank - at.root - 1, at.size);
  return !HalfTree(at.size - 1, 0).is_leaf(place) || !HalfTree(at.size - 1, 1).is_leaf(place);
}

}  // namespace

HalfTree::HalfTree(int nodes, int which) noexcept
    : nodes_(nodes), which_(which), levels_(std::bit_width(static_cast<unsigned>(nodes)) - 1), root_(1 << levels_) {}

int HalfTree::node(int place) const noexcept {
  if (which_ == 0) return place + 1;
  return nodes_ % 2 == 0 ? nodes_ - place : wrap(place - 1, nodes_) + 1;
}

int HalfTree::place(int node) const noexcept {
  if (which_ == 0) return node - 1;
  return nodes_ % 2 == 0 ? nodes_ - node : wrap(node, nodes_);
}

int HalfTree::parent(int node) const noexcept {
  if (node == root_) return 0;
  do {
    const int bit = low_bit(node);
    node = (node & 2 * bit) != 0 ? node - bit : node + bit;
  } while (node > nodes_);
  return node;
}

int HalfTree::right_child(int node) const noexcept {
  int child = node + low_bit(node) / 2;
  while (child > nodes_) {
    const int half = low_bit(child) / 2;
    if (half == 0) return 0;
    child -= half;
  }
  return child;
}

HalfTree::Step HalfTree::step(int p, int level) const noexcept {
  Step step;
  const int own = node(p);
  if (level_of(own) == level) {
    if (const int up = parent(own); up != 0) step.parent = place(up);
    return step;
  }
  if (level_of(own) < level) return step;
  const bool mirrored = which_ == 1 && nodes_ % 2 == 0;
  const int right = right_child(own);
  const int right_level = right == 0 ? -1 : level_of(right);
  if (level_of(own) - 1 == level) step.children[mirrored ? 1 : 0] = place(own - low_bit(own) / 2);
  if (right_level == level) step.children[mirrored ? 0 : 1] = place(right);
  step.has_received = right_level >= 0 && right_level < level;
  return step;
}

void half_tree_reduce_round(const Position& at, const HalfTree& tree, int first, int level, Slot work, int which,
                            Round& round) {
  const int own = wrap(at.rank - first, at.size);
  if (first != at.root && own == at.size - 1) return;  // the root of a rooted collective is in neither tree
  const HalfTree::Step step = tree.step(own, level);
  if (step.parent >= 0) {
    round.sends.push_back({wrap(first + step.parent, at.size), tree.is_leaf(own) ? Slot::input : work, {which, 1}});
  }
  for (const int side : {0, 1}) {
    if (step.children[side] < 0) continue;
    round.receives.push_back({wrap(first + step.children[side], at.size),
                              work,
                              {which, 1},
                              side == 0 ? Reduction::incoming_left : Reduction::incoming_right,
                              step.has_received ? work : Slot::input});
  }
}

void half_tree_broadcast_round(const Position& at, const HalfTree& tree, int first, int level, int which,
                               Round& round) {
  const int own = wrap(at.rank - first, at.size);
  if (first != at.root && own == at.size - 1) return;
  const HalfTree::Step step = tree.step(own, level);
  if (step.parent >= 0) round.receives.push_back({wrap(first + step.parent, at.size), Slot::output, {which, 1}});
  for (const int child : step.children) {
    if (child >= 0) round.sends.push_back({wrap(first + child, at.size), Slot::output, {which, 1}});
  }
}

const Algorithm kDoubleTreeBroadcast = {.name = "double_tree",
                                        .collective = Collective::broadcast,
                                        .single_block = true,
                                        .pipelining = Pipelining::each_round,
                                        .alternating_parts = 2,
                                        .blocks = two_blocks,
                                        .rounds = rooted_rounds,
                                        .round = double_tree_broadcast_round,
                                        .needs_scratch = no_scratch};

const Algorithm kDoubleTreeReduce = {.name = "double_tree",
                                     .collective = Collective::reduce,
                                     .single_block = true,
                                     .pipelining = Pipelining::each_round,
                                     .alternating_parts = 2,
                                     .blocks = two_blocks,
                                     .rounds = rooted_rounds,
                                     .round = double_tree_reduce_round,
                                     .needs_scratch = reduce_needs_scratch};

}  // namespace tutti
