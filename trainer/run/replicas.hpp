// The replicas of a model that ranks hold: made the same, and found to be the same.
#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include <tutti/collectives/communicator.hpp>
#include <tutti/trainer/memory/buckets.hpp>
#include <tutti/trainer/network/network.hpp>

namespace tutti::trainer {

/// Collective: parameters of rank 0, on every rank. \throws AgreedError if ranks then differ.
void share_parameters(const Communicator& comm, const Buckets& buckets);

/// The slots of all owners, on rank 0: an array of plan().count elements for each slot, laid out as the parameters.
/// With one owner they are those of the buckets, elsewhere memory of their own, zeros at first.
class WholeSlots {
 public:
  /// Local; on ranks other than 0 there are none but those of the buckets.
  WholeSlots(const Buckets& buckets, bool is_root);

  std::span<const Buffer> arrays() const noexcept { return arrays_; }
  Buffer slot(std::size_t slot, const BucketPlan::Place& place) const noexcept {
    return arrays_[slot].slice(place.offset, place.count);
  }

 private:
  std::vector<std::vector<std::byte>> memory_;
  std::vector<Buffer> arrays_;
};

/// Collective: the slots of all owners come to rank 0, or go from rank 0 to their owners.
void gather_slots(const Communicator& comm, const Buckets& buckets, const WholeSlots& slots);
void share_slots(const Communicator& comm, const Buckets& buckets, const WholeSlots& slots);

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
