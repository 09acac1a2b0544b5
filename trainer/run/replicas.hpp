// The replicas of a model that ranks hold: made the same, and found to be the same.
#pragma once

#include <tutti/collectives/communicator.hpp>
#include <tutti/trainer/memory/buckets.hpp>
#include <tutti/trainer/network/network.hpp>

namespace tutti::trainer {

/// Collective: parameters and slots of rank 0, on every rank. \throws AgreedError if ranks then differ.
void share_parameters(const Communicator& comm, const Buckets& buckets);

/// Collective: buffers of rank 0, on every rank. In between each rank changes its own, by the samples it sees: those of
/// rank 0 alone outlive it, so that it does not matter how often they are shared.
void share_buffers(const Communicator& comm, const Network& network);

/// Local: whether no buffer is infinite or not a number.
bool are_finite(const Network& network);

/// Local: whether no parameter is infinite or not a number.
bool are_finite(const Buckets& buckets);

/// Collective: whether all ranks hold the same parameters, by a checksum of 32 bits.
bool are_same(const Communicator& comm, const Buckets& buckets);

}  // namespace tutti::trainer
