// Pairwise all-to-all: every rank sends to the ranks 1, 2, ..., P-1 to its right and receives from those to its left,
// radix - 1 of them in a round.
//
// With radix 2 P-1 rounds of one message, with radix P one round of P-1; (P-1)/P n bytes per rank, each block travels
// once.
#pragma once

#include <tutti/collectives/schedule/schedule.hpp>

namespace tutti {

extern const Algorithm kPairwiseAllToAll;

}  // namespace tutti
