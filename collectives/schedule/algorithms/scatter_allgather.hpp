// Broadcast as a k-nomial scatter and a circulant all-gather (Barnett et al., 1994; van de Geijn).
//
// Before: the root holds n bytes, seen as P blocks. The scatter leaves block v on the rank v behind the root, together
// with those of the ranks below it in the tree; the all-gather gives everyone all. ceil(log_k P) rounds each; a rank
// sends and receives about 2 (P-1)/P n bytes at most, where a tree's root sends k-1 times n bytes per round.
#pragma once

#include <tutti/collectives/schedule/schedule.hpp>

namespace tutti {

extern const Algorithm kScatterAllGatherBroadcast;

}  // namespace tutti
