// Bruck all-to-all of any radix (Bruck et al., IEEE TPDS 8(11), 1997): few rounds for small blocks, which travel
// several hops.
//
// Block i of rank p, counted from p on, has to go i ranks further; write i in base r. In round x all blocks whose digit
// x is d go over distance d r^x together, d = 1, ..., r-1: ceil(log_r P) rounds of r-1 messages, about (r-1)/r n bytes
// per round. So that what travels together lies together, blocks are sorted by the digit before each round.
#pragma once

#include <tutti/collectives/schedule/schedule.hpp>

namespace tutti {

extern const Algorithm kBruckAllToAll;

}  // namespace tutti
