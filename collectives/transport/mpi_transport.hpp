// Messages by MPI point-to-point on one communicator.
#pragma once

#include <mpi.h>

#include <deque>
#include <list>
#include <utility>
#include <vector>

#include <tutti/collectives/transport/transport.hpp>

namespace tutti::detail {

/// The transport that is always there. Messages above a limit that fits MPI's int travel in pieces.
///
/// So do those that go far over TCP, in pieces that MPI sends without asking the receiver first (eagerly), some at a
/// time. Of larger ones the answer would wait behind the data that goes the same way on the one connection, and what
/// should go both ways at once would go one way after the other: twice the time, seen with Open MPI 4.1.4.
class MpiTransport final : public Transport {
 public:
  /// `far` tells of every rank whether it is reached by TCP; empty: none is.
  explicit MpiTransport(MPI_Comm comm, std::vector<bool> far = {}) noexcept : comm_(comm), far_(std::move(far)) {}

  void send(int peer, int tag, std::span<const std::byte> bytes, Pending& pending) override;
  void receive(int peer, int tag, std::span<std::byte> bytes, Pending& pending) override;
  std::optional<int> probe(int tag) override;
  bool progress() override;
  void wait_any() override;
  std::vector<Underway> underway() const override;

 private:
  struct Piece {
    std::byte* data;  ///< of a send only read
    int count;
    Pending* pending;
  };

  /// Messages that wait for others with the same peer, tag and direction, so that they stay in order.
  struct Queue {
    int peer;
    int tag;
    Direction direction;
    int posted = 0;  ///< and not complete
    std::deque<Piece> waiting;
  };

  /// A message, or a piece of one, that has been posted.
  struct Posted {
    Underway message;
    Queue* queue;  ///< null: none
  };

  void start(int peer, int tag, Direction direction, std::span<std::byte> bytes, Pending& pending);
  void post(int peer, int tag, Direction direction, const Piece& piece, Queue* queue);
  void post_waiting(Queue& queue);
  Queue* find_queue(int peer, int tag, Direction direction) noexcept;
  static bool is_done_already(MPI_Request& request, const Piece& piece);
  void complete(const Posted& posted) noexcept;
  void drop_completed();

  MPI_Comm comm_;
  std::vector<bool> far_;
  std::vector<MPI_Request> requests_;
  std::vector<Posted> posted_;  // parallel to requests_
  std::list<Queue> queues_;     // those with pieces; addresses must stay
  std::vector<int> completed_;
  std::vector<MPI_Status> statuses_;
};

}  // namespace tutti::detail
