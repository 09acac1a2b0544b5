// Bucket algorithms: rings along the rows of a torus, one dimension after another (Barnett et al., IPPS 1993, on
// meshes; Jain and Sabharwal, ICS 2010, on tori).
//
// Ranks are laid out on the torus that is given, or on the most even one of their number, so any P is served; a prime
// number is a ring. All messages go to neighbours. In a row of side s all-gather takes floor(s/2) rounds in both
// directions at once, after which every rank of the row holds the blocks of all; the next dimension passes those on as
// one. Reduce-scatter is the same backwards. (P-1)/P n bytes per rank.
#pragma once

#include <tutti/collectives/schedule/schedule.hpp>

namespace tutti {

/// The torus that a bucket algorithm runs on, with sides of at least 2.
Torus bucket_torus(const Shape& shape) noexcept;

extern const Algorithm kBucketReduceScatter;
extern const Algorithm kBucketAllGather;

}  // namespace tutti
