// Rings in both directions at once, for links that carry as much one way while they carry the other.
//
// As ring.hpp, but a block goes half way round to the right and half way to the left: R = floor(P/2) and L =
// floor((P-1)/2) hops, R + L = P-1. So R rounds of two messages instead of P-1 of one; the bytes are the same. The
// allreduce is the reduce-scatter and then the all-gather: 2R rounds, the bytes of the ring.
//
// Order of reduction of block b: ranks b-R, ..., b, ..., b+L.
#pragma once

#include <tutti/collectives/schedule/schedule.hpp>

namespace tutti {

/// Steps that a block goes to the right and to the left, on a ring of so many ranks.
struct TwoWayHops {
  int right;
  int left;
  explicit constexpr TwoWayHops(int size) noexcept : right(size / 2), left((size - 1) / 2) {}
};

extern const Algorithm kTwoWayRingReduceScatter;
extern const Algorithm kTwoWayRingAllGather;
extern const Algorithm kTwoWayRingAllreduce;

}  // namespace tutti
