// Circulant exchanges: all-gather and reduce-scatter in ceil(log_r P) rounds and (P-1)/P n bytes per rank, for any P.
//
// The all-gather is that of Bruck et al. (IEEE TPDS 8(11), 1997) with the skips of Traeff ("Optimal, non-pipelined
// reduce-scatter and allreduce algorithms", 2024): s_0 = P, s_{l+1} = ceil(s_l / r), down to 1. Before: rank p holds
// block p. A rank that holds blocks p, p+1, ..., p + s_{l+1} - 1 (modulo P) gets the next ones up to s_l from the ranks
// p + j s_{l+1}, j = 1, ..., r-1, in one round. The reduce-scatter is the same backwards: rank p hands the partial sums
// of blocks p + j s_{l+1}, ... to rank p + j s_{l+1}, and so is responsible for ever fewer blocks, in the end for its
// own. With r = P both are one round of P-1 messages.
//
// The allreduce is the reduce-scatter and then the all-gather: 2 ceil(log_r P) rounds, 2(P-1)/P n beta + (P-1)/P n
// gamma for every P, without folding. With radix P it is the direct algorithm: every rank sends every other one its
// block, and then its result.
//
// Order of reduction: around the ring, not the canonical one.
#pragma once

#include <tutti/collectives/schedule/schedule.hpp>

namespace tutti {

/// ceil(log_radix size)
int circulant_rounds(const Shape& shape) noexcept;

/// Appends round `index` of a reduce-scatter of one block per rank: from the input over `work` to `result`, where the
/// own block ends.
void circulant_reduce_scatter_round(const Position& at, int index, Slot work, Slot result, Round& round);

/// Appends round `index` of an all-gather of blocks of the output. Blocks are numbered from rank `first` on, which is
/// held by itself and takes no messages if `first_has_all`.
void circulant_all_gather_round(const Position& at, int index, int first, bool first_has_all, Round& round);

extern const Algorithm kCirculantReduceScatter;
extern const Algorithm kCirculantAllGather;
extern const Algorithm kCirculantAllreduce;

}  // namespace tutti
