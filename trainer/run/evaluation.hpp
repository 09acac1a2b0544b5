// How good a model is on a data set.
#pragma once

#include <functional>
#include <optional>

#include <tutti/collectives/communicator.hpp>
#include <tutti/trainer/network/network.hpp>
#include <tutti/trainer/run/data.hpp>

namespace tutti::trainer {

struct Evaluation {
  Score score;
  ClassCounts counts;  ///< empty if the model tells numbers, or too many classes
};

/// Sums over the whole set, on every rank: each sample is counted once, by one rank, also where ranks get none. The set
/// is cut into `shards`, at least one for each rank: what they are alone, not the number of ranks, decides the bits.
/// Nothing if `stop`, asked before every batch, says so on any rank.
/// Collective. \throws AgreedError on all ranks if one of them cannot read its part, or the model gives a value that is
/// not finite, naming the sample; CommunicationError
std::optional<Evaluation> evaluate(const Communicator& comm, Network& network, const LabelledData& data, int shards,
                                   const std::function<bool()>& stop = {});

}  // namespace tutti::trainer
