// k-nomial trees, rooted anywhere: ceil(log_k P) rounds. With radix k = 2 the binomial tree, with k = P a star.
//
// With v the distance of a rank behind the root, written in base k, v's parent is v with its lowest non-zero digit
// cleared; an inner rank has up to k-1 children per round, nearest last. A reduce goes from the leaves to the root, a
// broadcast is the same backwards; an inner rank passes n bytes to or from each of its children, and segments overlap.
// Gather and scatter pass on the blocks of whole subtrees, which are consecutive ranks: a rank with s ranks below it
// moves s blocks, the root (P-1)/P n bytes.
//
// Order of reduction: ranks root, root+1, ..., root-1, a parent to the left of its children; with k = P rank order. The
// forwarded reduce has rank order with any k and root: its tree ends at rank 0, which passes the result on.
#pragma once

#include <tutti/collectives/schedule/schedule.hpp>

namespace tutti {

/// ceil(log_radix size)
int knomial_rounds(const Shape& shape) noexcept;

/// Appends round `index` of a reduce of `blocks` towards `at.root`; partial results of a rank are held in `work`.
void knomial_reduce_round(const Position& at, int index, Slot work, BlockRange blocks, Round& round);

/// Appends round `index` of a broadcast of `blocks` of the output.
void knomial_broadcast_round(const Position& at, int index, BlockRange blocks, Round& round);

/// Appends round `index` of a scatter of the output's blocks, where block v is for the rank v behind the root.
void knomial_scatter_round(const Position& at, int index, Round& round);

/// Appends round `index` of a gather in `work` of blocks where block v is from the rank v behind the root.
void knomial_gather_round(const Position& at, int index, Slot work, Round& round);

extern const Algorithm kKnomialBroadcast;
extern const Algorithm kKnomialReduce;
extern const Algorithm kForwardedKnomialReduce;
extern const Algorithm kKnomialGather;
extern const Algorithm kKnomialScatter;

}  // namespace tutti
