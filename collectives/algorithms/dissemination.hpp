// Dissemination barrier (Hensgen, Finkel and Manber, 1988): ceil(log2 P) rounds for any P.
//
// In round i a rank tells the rank 2^i to its right that it, and all that it has heard of, have arrived.
#pragma once

#include <tutti/collectives/schedule.hpp>

namespace tutti {

extern const Algorithm kDisseminationBarrier;

}  // namespace tutti
