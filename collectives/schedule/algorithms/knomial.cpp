// k-nomial trees; see knomial.hpp.
#include <algorithm>

#include <tutti/collectives/schedule/algorithms/knomial.hpp>

namespace tutti {
namespace {

/// A rank in the tree, in the round in which subtrees of `stride` ranks are joined (or parted).
struct Node {
  int v;       ///< distance behind the root
  int stride;  ///< radix^level
  int digit;   ///< v's digit of that weight; the node takes part only if all lower ones are 0
  bool takes_part;

  Node(const Position& at, int level) noexcept : v(wrap(at.rank - at.root, at.size)), stride(1) {
    for (int i = 0; i < level; ++i) stride *= at.radix;
    digit = v / stride % at.radix;
    takes_part = v % stride == 0;
  }

  bool is_child() const noexcept { return takes_part && digit != 0; }
  int parent() const noexcept { return v - digit * stride; }

  /// Calls f(child, ranks in its subtree) for each child of this round, far ones last.
  template <class F>
  void each_child(const Position& at, F f) const {
    if (!takes_part || digit != 0) return;
    for (int d = 1; d < at.radix && v + d * stride < at.size; ++d) {
      f(v + d * stride, std::min(stride, at.size - (v + d * stride)));
    }
  }
};

int rank_of(const Position& at, int v) noexcept { return wrap(v + at.root, at.size); }
Blocks subtree(const Position& at, int v, int count) noexcept { return cyclic(rank_of(at, v), count, at.size); }

void broadcast_round(const Position& at, int index, Round& round) { knomial_broadcast_round(at, index, {0, 1}, round); }

void reduce_round(const Position& at, int index, Round& round) {
  if (at.radix >= at.size && at.rank == at.root) {  // all at once: in rank order, whoever the root is
    for (int peer = 0; peer < at.size; ++peer) {
      if (peer == at.root) continue;
      round.receives.push_back({peer,
                                Slot::output,
                                {0, 1},
                                peer < at.root ? Reduction::incoming_left : Reduction::incoming_right,
                                Slot::input});
    }
    return;
  }
  knomial_reduce_round(at, index, at.rank == at.root ? Slot::output : Slot::scratch, {0, 1}, round);
}

bool is_leaf(const Position& at) noexcept;

/// The tree of root 0, and a last round in which rank 0 passes the result on.
int forwarded_rounds(const Shape& shape) noexcept { return knomial_rounds(shape) + 1; }

void forwarded_reduce_round(const Position& at, int index, Round& round) {
  const Position tree = {.rank = at.rank, .size = at.size, .root = 0, .radix = at.radix};
  const Slot work = at.rank == 0 && at.root == 0 ? Slot::output : Slot::scratch;
  if (index < knomial_rounds(at.shape())) return knomial_reduce_round(tree, index, work, {0, 1}, round);
  if (at.root == 0) return;
  if (at.rank == 0) round.sends.push_back({at.root, Slot::scratch, {0, 1}});
  if (at.rank == at.root) round.receives.push_back({0, Slot::output, {0, 1}});
}

bool forwarded_needs_scratch(const Position& at) noexcept {
  if (at.rank == 0) return at.root != 0;
  return !is_leaf({.rank = at.rank, .size = at.size, .root = 0, .radix = at.radix});
}

bool is_leaf(const Position& at) noexcept {
  const int v = wrap(at.rank - at.root, at.size);
  return v % at.radix != 0 || v + 1 == at.size;
}

bool inner_needs_scratch(const Position& at) noexcept { return at.rank != at.root && !is_leaf(at); }

void gather_round(const Position& at, int index, Round& round) {
  const Node node(at, index);
  const bool leaf = is_leaf(at);
  const Slot work = at.rank == at.root ? Slot::output : Slot::scratch;
  if (index == 0 && (!leaf || at.rank == at.root)) round.copies.push_back({Slot::input, work, {at.rank, 1}});
  if (node.is_child()) {
    const int count = std::min(node.stride, at.size - node.v);
    round.sends.push_back({rank_of(at, node.parent()), leaf ? Slot::input : work, subtree(at, node.v, count)});
  }
  node.each_child(at, [&](int child, int count) {
    round.receives.push_back({rank_of(at, child), work, subtree(at, child, count)});
  });
}

void scatter_round(const Position& at, int index, Round& round) {
  const int rounds = knomial_rounds(at.shape());
  const Node node(at, rounds - 1 - index);
  const bool leaf = is_leaf(at);
  const Slot work = at.rank == at.root ? Slot::input : leaf ? Slot::output : Slot::scratch;
  if (node.is_child()) {
    const int count = std::min(node.stride, at.size - node.v);
    round.receives.push_back({rank_of(at, node.parent()), work, subtree(at, node.v, count)});
  }
  node.each_child(at, [&](int child, int count) {
    round.sends.push_back({rank_of(at, child), work, subtree(at, child, count)});
  });
  if (index == rounds - 1 && !node.is_child() && work != Slot::output) {
    round.copies.push_back({work, Slot::output, {at.rank, 1}});
  }
}

}  // namespace

int knomial_rounds(const Shape& shape) noexcept {
  int rounds = 0;
  for (long reached = 1; reached < shape.size; reached *= shape.radix) ++rounds;
  return rounds;
}

void knomial_reduce_round(const Position& at, int index, Slot work, BlockRange blocks, Round& round) {
  const Node node(at, index);
  if (node.is_child()) {
    round.sends.push_back({rank_of(at, node.parent()), is_leaf(at) ? Slot::input : work, blocks});
  }
  node.each_child(at, [&](int child, int) {
    round.receives.push_back(
        {rank_of(at, child), work, blocks, Reduction::incoming_right, index == 0 ? Slot::input : work});
  });
}

void knomial_broadcast_round(const Position& at, int index, BlockRange blocks, Round& round) {
  const Node node(at, knomial_rounds(at.shape()) - 1 - index);
  if (node.is_child()) round.receives.push_back({rank_of(at, node.parent()), Slot::output, blocks});
  node.each_child(at, [&](int child, int) { round.sends.push_back({rank_of(at, child), Slot::output, blocks}); });
}

void knomial_scatter_round(const Position& at, int index, Round& round) {
  const Node node(at, knomial_rounds(at.shape()) - 1 - index);
  if (node.is_child()) {
    round.receives.push_back(
        {rank_of(at, node.parent()), Slot::output, Blocks(node.v, std::min(node.stride, at.size - node.v))});
  }
  node.each_child(at, [&](int child, int count) {
    round.sends.push_back({rank_of(at, child), Slot::output, Blocks(child, count)});
  });
}

void knomial_gather_round(const Position& at, int index, Slot work, Round& round) {
  const Node node(at, index);
  if (node.is_child()) {
    round.sends.push_back({rank_of(at, node.parent()), work, Blocks(node.v, std::min(node.stride, at.size - node.v))});
  }
  node.each_child(at, [&](int child, int count) {
    round.receives.push_back({rank_of(at, child), work, Blocks(child, count)});
  });
}

const Algorithm kKnomialBroadcast = {.name = "knomial",
                                     .collective = Collective::broadcast,
                                     .radix = Radix::per_rank,
                                     .single_block = true,
                                     .blocks = one_block,
                                     .rounds = knomial_rounds,
                                     .round = broadcast_round,
                                     .needs_scratch = no_scratch};

const Algorithm kKnomialReduce = {.name = "knomial",
                                  .collective = Collective::reduce,
                                  .radix = Radix::per_rank,
                                  .single_block = true,
                                  .canonical_order = true,
                                  .order_from_root = true,
                                  .reduces_at_once = true,
                                  .blocks = one_block,
                                  .rounds = knomial_rounds,
                                  .round = reduce_round,
                                  .needs_scratch = inner_needs_scratch};

const Algorithm kForwardedKnomialReduce = {.name = "forwarded_knomial",
                                           .collective = Collective::reduce,
                                           .radix = Radix::per_rank,
                                           .single_block = true,
                                           .canonical_order = true,
                                           .blocks = one_block,
                                           .rounds = forwarded_rounds,
                                           .round = forwarded_reduce_round,
                                           .needs_scratch = forwarded_needs_scratch};

const Algorithm kKnomialGather = {.name = "knomial",
                                  .collective = Collective::gather,
                                  .radix = Radix::per_rank,
                                  .single_block = false,
                                  .blocks = block_per_rank,
                                  .rounds = knomial_rounds,
                                  .round = gather_round,
                                  .needs_scratch = inner_needs_scratch};

const Algorithm kKnomialScatter = {.name = "knomial",
                                   .collective = Collective::scatter,
                                   .radix = Radix::per_rank,
                                   .single_block = false,
                                   .blocks = block_per_rank,
                                   .rounds = knomial_rounds,
                                   .round = scatter_round,
                                   .needs_scratch = inner_needs_scratch};

}  // namespace tutti
