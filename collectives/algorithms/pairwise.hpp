// Pairwise all-to-all: in round i every rank sends to the rank i+1 to its right and receives from the rank i+1 to its
// left.
//
// P-1 rounds, (P-1)/P n bytes per rank; each block travels once.
#pragma once

#include <tutti/collectives/schedule.hpp>

namespace tutti {

extern const Algorithm kPairwiseAllToAll;

}  // namespace tutti
