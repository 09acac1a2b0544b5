// How good a model is on a data set.
#pragma once

#include <tutti/collectives/communicator.hpp>
#include <tutti/trainer/data.hpp>
#include <tutti/trainer/network.hpp>

namespace tutti::trainer {

/// Sums over the whole set, on every rank: each sample is counted once, by one rank, also where ranks get none.
/// Collective. \throws AgreedError on all ranks if one of them cannot read its part; CommunicationError
Score evaluate(const Communicator& comm, Network& network, const LabelledData& data);

}  // namespace tutti::trainer
