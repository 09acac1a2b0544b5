// What moves messages between ranks.
//
// A transport starts sends and receives and reports their completion. Messages between two ranks with the same tag are
// matched in the order in which they were started on either side. Bytes exist only here.
#pragma once

#include <mpi.h>

#include <cstddef>
#include <span>
#include <vector>

namespace tutti::detail {

/// Counts messages that have been started and not completed. Its address must stay valid until they are.
struct Pending {
  int messages = 0;
};

enum class Direction : std::uint8_t { send, receive };

/// A message that is under way.
struct Underway {
  int peer;
  Direction direction;
  Pending* pending;
};

/// MPI point-to-point messages on one communicator. Messages above a limit that fits MPI's int travel in pieces.
class MpiTransport {
 public:
  explicit MpiTransport(MPI_Comm comm) noexcept : comm_(comm) {}

  void send(int peer, int tag, std::span<const std::byte> bytes, Pending& pending);
  void receive(int peer, int tag, std::span<std::byte> bytes, Pending& pending);

  /// Drives MPI and counts down what has completed; true if anything has. \throws CommunicationError if a message
  /// failed.
  bool progress();

  /// Blocks until a message is done, if any is under way: how ranks wait in a simulator. \throws CommunicationError if
  /// one failed.
  void wait_any();

  /// Everything under way, for messages to people.
  std::span<const Underway> underway() const noexcept { return underway_; }

 private:
  void drop_completed();

  MPI_Comm comm_;
  std::vector<MPI_Request> requests_;
  std::vector<Underway> underway_;  // parallel to requests_
  std::vector<int> completed_;
  std::vector<MPI_Status> statuses_;
};

}  // namespace tutti::detail
