// Transports that only enqueue, as those of devices do: work is done in the order in which it was enqueued, and nothing
// is known of it but that everything before a mark is done.
#pragma once

#include <cstddef>
#include <span>

#include <tutti/collectives/transport/transport.hpp>
#include <tutti/kernels/reduce.hpp>

namespace tutti::detail {

/// A message of a round.
struct QueuedMessage {
  Direction direction;
  int peer;
  std::byte* bytes;  ///< only read if it is sent
  std::size_t size;  ///< the same on both sides, not 0
};

/// Nothing here waits; memory that is named stays until a mark behind its use is passed. \throws CommunicationError
class Queue {
 public:
  Queue() = default;
  Queue(const Queue&) = delete;
  Queue& operator=(const Queue&) = delete;
  virtual ~Queue() = default;

  virtual void copy(std::byte* to, const std::byte* from, std::size_t bytes) = 0;

  /// As reduce_all() and finish_reduction() of kernels/reduce.hpp.
  virtual void reduce(ReduceOp op, std::span<const ConstBuffer> inputs, Buffer out) = 0;
  virtual void finish(ReduceOp op, Buffer data, int contributions) = 0;

  /// Messages that are under way together; what is enqueued later begins when all of them are done. Messages between
  /// two ranks in one direction meet in their order.
  virtual void exchange(std::span<const QueuedMessage> messages) = 0;

  /// Counts one message more in `pending` until everything enqueued before is done.
  virtual void mark(Pending& pending) = 0;

  /// Looks how far the work has got, and counts down the marks it has passed; true if any.
  virtual bool progress() = 0;
};

}  // namespace tutti::detail
