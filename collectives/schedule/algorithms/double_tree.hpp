// Double binary trees (Sanders, Speck and Traeff, Parallel Computing 35, 2009): each half of the data goes through a
// tree of its own, and a rank that passes one half on is a leaf for the other.
//
// Both are in-order binary trees over nodes 1 ... n: node x with lowest set bit b has children about x - b/2 and x +
// b/2, so odd nodes are leaves. The second tree is the first one mirrored (n even) or shifted by one (n odd), which
// turns odd into even. Segments follow one another, one in every round, so each rank sends and receives n bytes in all:
// about n beta + O(log P) alpha for a broadcast or reduce, twice that for an allreduce.
//
// Order of reduction: rank order; in the second tree of an odd number of nodes, shifted by one.
#pragma once

#include <tutti/collectives/schedule/schedule.hpp>

namespace tutti {

/// One of the two trees over `nodes` nodes, as places 0 ... nodes-1 of which the caller knows the ranks.
class HalfTree {
 public:
  HalfTree(int nodes, int which) noexcept;

  int levels() const noexcept { return levels_; }
  int top() const noexcept { return place(root_); }

  /// What place `p` does when the nodes of `level` hand over to their parents (or, backwards, get from them).
  struct Step {
    int parent = -1;             ///< -1: it is not at that level, or the top
    int children[2] = {-1, -1};  ///< that are at that level: lower places left, higher ones right; -1: none
    bool has_received = false;   ///< whether a child has handed over at a lower level
  };
  Step step(int p, int level) const noexcept;
  bool is_leaf(int p) const noexcept { return node(p) % 2 == 1; }

 private:
  int node(int place) const noexcept;
  int place(int node) const noexcept;
  int parent(int node) const noexcept;
  int right_child(int node) const noexcept;

  int nodes_;
  int which_;
  int levels_;
  int root_;
};

/// Appends what `at` does in a reduce of block `which` over that tree at `level`; place p is rank first + p. Partial
/// results are held in `work`.
void half_tree_reduce_round(const Position& at, const HalfTree& tree, int first, int level, Slot work, int which,
                            Round& round);

/// The same backwards: a broadcast in the output.
void half_tree_broadcast_round(const Position& at, const HalfTree& tree, int first, int level, int which, Round& round);

extern const Algorithm kDoubleTreeBroadcast;
extern const Algorithm kDoubleTreeReduce;

}  // namespace tutti
