// Binomial trees, rooted anywhere: ceil(log2 P) rounds, the least there is for one message at a time.
//
// With v the distance of a rank behind the root, v's parent is v with its lowest set bit cleared. A reduce goes from
// the leaves to the root, a broadcast is the same backwards. An inner rank passes n bytes to or from each of its
// children; segments overlap.
//
// Order of reduction: ranks root, root+1, ..., root-1, a parent to the left of its children.
#pragma once

#include <tutti/collectives/schedule.hpp>

namespace tutti {

/// ceil(log2 size)
int binomial_rounds(int size) noexcept;

/// Appends round `index` of a reduce of `blocks` towards `at.root`; partial results of a rank are held in `work`.
void binomial_reduce_round(const Position& at, int index, Slot work, BlockRange blocks, Round& round);

/// Appends round `index` of a broadcast of `blocks` of the output.
void binomial_broadcast_round(const Position& at, int index, BlockRange blocks, Round& round);

extern const Algorithm kBinomialBroadcast;
extern const Algorithm kBinomialReduce;

}  // namespace tutti
