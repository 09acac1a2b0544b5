// Dissemination barrier (Hensgen, Finkel and Manber, 1988) of any radix r: ceil(log_r P) rounds for any P.
//
// In round i a rank tells the ranks j r^i to its right, j = 1, ..., r-1, that it, and all that it has heard of, have
// arrived.
#pragma once

#include <tutti/collectives/schedule/schedule.hpp>

namespace tutti {

extern const Algorithm kDisseminationBarrier;

}  // namespace tutti
