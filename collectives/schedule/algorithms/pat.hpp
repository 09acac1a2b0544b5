// Logarithmic all-gather and reduce-scatter that send far first, for any P (the order of PAT in NCCL 2.23; Jeaugey,
// "PAT: a new algorithm for all-gather and reduce-scatter operations at scale", 2025).
//
// Offsets o are distances to the left: in the all-gather rank p ends with the blocks of ranks p - o, 0 <= o < P. Rounds
// go over distances 2^(k-1), ..., 2, 1, k = ceil(log2 P). Before distance d a rank holds the offsets that are multiples
// of 2d, and hands on all those o with o + d < P. So few bytes go far and most go to neighbours: k alpha + (P-1)/P n
// beta, with little load on the upper levels of a network. The reduce-scatter is the same backwards.
//
// Offsets are held in bit-reversed order, in which multiples of d come first, so that what travels together lies
// together. Order of reduction: not the canonical one.
#pragma once

#include <tutti/collectives/schedule/schedule.hpp>

namespace tutti {

extern const Algorithm kPatAllGather;
extern const Algorithm kPatReduceScatter;

}  // namespace tutti
