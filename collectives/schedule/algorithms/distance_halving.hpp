// Butterflies that send far first: all-gather by distance halving, reduce-scatter by distance doubling (Sack and Gropp,
// "Faster topology-aware collective algorithms through non-minimal communication", PPoPP 2012).
//
// The same exchanges as in butterfly.hpp, among all P ranks and in the opposite order: the all-gather meets ranks far
// away while it holds a single block, and in its last round, when it holds most, the next neighbours only. The groups
// are aligned, so that ranks of a switch do not send over one link at once what their neighbours send over the next, as
// with the shifts of pat.hpp. The radix is at least the largest prime factor of P, so nothing is folded: k alpha +
// (P-1)/P n beta with k factors, f - 1 messages in a round. The reduce-scatter is the same backwards.
//
// Blocks are held with their digits reversed, the nearest distance's first, so that what travels together lies
// together. Order of reduction: not the canonical one.
#pragma once

#include <tutti/collectives/schedule/schedule.hpp>

namespace tutti {

extern const Algorithm kDistanceHalvingAllGather;
extern const Algorithm kDistanceDoublingReduceScatter;

}  // namespace tutti
