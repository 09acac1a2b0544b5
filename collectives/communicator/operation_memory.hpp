// The memory of a collective under way.
#pragma once

#include <cstddef>
#include <vector>

#include <tutti/collectives/call/data_layout.hpp>
#include <tutti/collectives/call/signature_exchange.hpp>
#include <tutti/collectives/communicator/memory_pools.hpp>
#include <tutti/collectives/schedule/schedule.hpp>

namespace tutti::detail {

/// A receive of the step under way: where the bytes arrive, and what then becomes of them.
struct Incoming {
  Receive receive;
  Parts parts;
  std::byte* arrived[2] = {};  ///< where each part comes to lie, unless it comes inside `first_message`
  const FirstMessage* first_message = nullptr;  ///< if this is the peer's first message

  Incoming(const Receive& what, const Parts& its) noexcept : receive(what), parts(its) {}

  /// Whether it arrives elsewhere than at its place.
  bool is_staged() const noexcept { return receive.reduction != Reduction::copy || parts.is_packed(); }

  /// Where part `i` lies once it has come.
  const std::byte* data(int i) const noexcept {
    const std::size_t message = parts.is_split() ? parts.bytes[0] : parts.total();
    const bool inlined = first_message != nullptr && message <= kPackedBytes;
    if (!inlined || (parts.is_split() && i == 1)) return arrived[i];
    return first_message->payload + (i == 1 ? parts.bytes[0] : 0);
  }
};

/// A segment on its way through the schedule.
struct ActiveSegment {
  int segment = -1;  ///< -1: free
  int round = 0;     ///< next to be started, or under way
  bool underway = false;
  Pending pending;
  Round space;                     ///< for rounds that the schedule does not hold
  std::vector<Incoming> incoming;  ///< of the step under way
  std::vector<Parts> outgoing;     ///< of its sends
  Scratch staging;                 ///< for received data that is reduced or unpacked
  Scratch packing;                 ///< for data sent that is packed
};

/// Everything MPI reads or writes while an operation is under way, except the caller's buffers. Reused from operation
/// to operation, so that one like the last needs no new memory.
struct RequestMemory {
  SignatureExchange signature_exchange;
  std::vector<ActiveSegment> window;
  Scratch scratch;
  std::vector<ConstBuffer> operands;  ///< of the reduction at hand
};

}  // namespace tutti::detail
