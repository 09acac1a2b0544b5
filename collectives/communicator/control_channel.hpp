// Notices: what the ranks of a communicator tell each other about it, of failures, and when they wait long. They travel
// on an MPI communicator of their own, so that they arrive whatever becomes of the data.
#pragma once

#include <mpi.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <list>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string_view>
#include <vector>

#include <tutti/collectives/call/call.hpp>

namespace tutti::detail {

struct ControlMessage {
  enum class Kind : std::uint32_t {
    refused,  ///< the sender threw InvalidArgument in operation `sequence`
    failed,   ///< the sender's communicator is unusable
    asks,     ///< the sender waits for this rank in operation `sequence`, which is `header`, if that has this number
    answers,  ///< what the sender was doing when it was asked
    gone,     ///< the process of rank `about`, which runs on the sender's machine, has ended; `sequence` is 1 if it had
              ///< called MPI_Finalize
  };
  Kind kind;
  std::int32_t about;  ///< the rank where it began
  std::uint64_t sequence;
  std::uint64_t stamp = 0;  ///< of the communicator: MPI may deliver what was sent on another that is freed by now
  Header header = {};
  std::array<char, 480> text = {};  ///< NUL-terminated

  /// What fits of the words.
  void say(std::string_view words) noexcept;
};

/// An MPI communicator that serves many of tutti's for their control messages, each of which knows those that are its
/// own by its stamp. Thread-safe.
class ControlHub {
 public:
  /// Of `comm`, which nothing else uses with tag 0, and which stays.
  explicit ControlHub(MPI_Comm comm) noexcept : comm_(comm) {}
  ControlHub(const ControlHub&) = delete;
  ControlHub& operator=(const ControlHub&) = delete;

  MPI_Comm comm() const noexcept { return comm_; }
  void open(std::uint64_t stamp);
  void close(std::uint64_t stamp) noexcept;

  /// The next of these that has come, if there is one. \throws CommunicationError
  std::optional<ControlMessage> next(std::uint64_t stamp);

 private:
  void take_in(const ControlMessage& control_message);

  MPI_Comm comm_;
  std::mutex mutex_;
  std::map<std::uint64_t, std::deque<ControlMessage>> open_;
  std::deque<ControlMessage> early_;  // of communicators that are not yet made here, or no longer there
};

/// One rank's end of what control messages travel on.
class ControlChannel {
 public:
  /// Duplicates `parent`. Collective. \throws CommunicationError
  explicit ControlChannel(MPI_Comm parent);

  /// By a hub, where rank r of the communicator is `ranks[r]`. Local.
  ControlChannel(std::shared_ptr<ControlHub> hub, std::vector<int> ranks, int rank);
  ControlChannel(const ControlChannel&) = delete;
  ControlChannel& operator=(const ControlChannel&) = delete;

  /// What is under way stays until the process ends: MPI may still read it.
  ~ControlChannel();

  /// Gives the MPI communicator back, if it is this one's; no control message may be on its way on it. Collective.
  void free() noexcept;

  /// `stamp` tells the communicator from all others; before the first control_message.
  void set_stamp(std::uint64_t stamp);

  /// Whether any was sent here, or came.
  bool any() const noexcept { return any_; }

  /// Sends it, or does nothing if MPI cannot: the peer has its timeout.
  void tell(int peer, const ControlMessage& control_message) noexcept;
  void tell_all(const ControlMessage& control_message) noexcept;

  /// The next that has come, if there is one. \throws CommunicationError
  std::optional<ControlMessage> hear();

  /// Lets go of what has been sent.
  void forget_sent() noexcept;

  /// Calls MPI for a while, which connects two machines when a first message between them is under way, and for that
  /// needs calls of both. Whether the sends are complete says nothing, since MPI copies small messages.
  void see_off() noexcept;

 private:
  struct Outgoing {
    ControlMessage control_message;
    MPI_Request request = MPI_REQUEST_NULL;
  };

  std::shared_ptr<ControlHub> hub_;  // null: the MPI communicator is this one's
  std::vector<int> ranks_;           // in the hub's
  MPI_Comm comm_ = MPI_COMM_NULL;
  int rank_ = 0;
  int size_ = 1;
  std::uint64_t stamp_ = 0;
  bool any_ = false;
  std::list<Outgoing> outgoing_;  // addresses must stay
};

}  // namespace tutti::detail
