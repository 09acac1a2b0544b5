// Reduce as a circulant reduce-scatter and a k-nomial gather (after Rabenseifner, ICCS 2004).
//
// Before: every rank holds n bytes, seen as P blocks. The reduce-scatter leaves block v reduced on the rank v behind
// the root; the gather brings all to the root. ceil(log_k P) rounds each; a rank sends and receives about 2 (P-1)/P n
// bytes at most and reduces (P-1)/P n, where a tree's root receives and reduces k-1 times n bytes per round.
//
// Order of reduction: around the ring that begins behind the root, not the canonical one.
#pragma once

#include <tutti/collectives/schedule/schedule.hpp>

namespace tutti {

extern const Algorithm kReduceScatterGatherReduce;

}  // namespace tutti
