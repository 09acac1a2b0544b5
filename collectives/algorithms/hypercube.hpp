// Recursive-doubling all-gather and recursive-halving reduce-scatter, for any number of ranks by folding (fold.hpp).
//
// All-gather: every rank has its block; exchanges at distances 1, 2, 4, ... double what a member holds. log2 P rounds
// and (P-1)/P n bytes per rank when P is a power of two. Otherwise 2 rounds more; a folded rank receives everything
// from its partner at the end (n more bytes for both).
//
// Reduce-scatter: the same backwards. Exchanges at distances P/2, ..., 2, 1 halve the range of blocks for which a
// member is responsible. A folded rank hands its whole vector over at first.
#pragma once

#include <tutti/collectives/schedule.hpp>

namespace tutti {

extern const Algorithm kRecursiveDoublingAllGather;
extern const Algorithm kRecursiveHalvingReduceScatter;

}  // namespace tutti
