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

#include <tutti/collectives/call.hpp>

namespace tutti::detail {

struct Notice {
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

/// An MPI communicator that serves many of tutti's for their notices, each of which knows those that are its own by its
/// stamp. Thread-safe.
class NoticeHub {
 public:
  /// Of `comm`, which nothing else uses with tag 0, and which stays.
  explicit NoticeHub(MPI_Comm comm) noexcept : comm_(comm) {}
  NoticeHub(const NoticeHub&) = delete;
  NoticeHub& operator=(const NoticeHub&) = delete;

  MPI_Comm comm() const noexcept { return comm_; }
  void open(std::uint64_t stamp);
  void close(std::uint64_t stamp) noexcept;

  /// The next of these that has come, if there is one. \throws CommunicationError
  std::optional<Notice> next(std::uint64_t stamp);

 private:
  void take_in(const Notice& notice);

  MPI_Comm comm_;
  std::mutex mutex_;
  std::map<std::uint64_t, std::deque<Notice>> open_;
  std::deque<Notice> early_;  // of communicators that are not yet made here, or no longer there
};

/// One rank's end of what notices travel on.
class NoticeChannel {
 public:
  /// Duplicates `parent`. Collective. \throws CommunicationError
  explicit NoticeChannel(MPI_Comm parent);

  /// By a hub, where rank r of the communicator is `ranks[r]`. Local.
  NoticeChannel(std::shared_ptr<NoticeHub> hub, std::vector<int> ranks, int rank);
  NoticeChannel(const NoticeChannel&) = delete;
  NoticeChannel& operator=(const NoticeChannel&) = delete;

  /// What is under way stays until the process ends: MPI may still read it.
  ~NoticeChannel();

  /// Gives the MPI communicator back, if it is this one's; no notice may be on its way on it. Collective.
  void free() noexcept;

  /// `stamp` tells the communicator from all others; before the first notice.
  void set_stamp(std::uint64_t stamp);

  /// Whether any was sent here, or came.
  bool any() const noexcept { return any_; }

  /// Sends it, or does nothing if MPI cannot: the peer has its timeout.
  void tell(int peer, const Notice& notice) noexcept;
  void tell_all(const Notice& notice) noexcept;

  /// The next that has come, if there is one. \throws CommunicationError
  std::optional<Notice> hear();

  /// Lets go of what has been sent.
  void forget_sent() noexcept;

  /// Calls MPI for a while, which connects two machines when a first message between them is under way, and for that
  /// needs calls of both. Whether the sends are complete says nothing, since MPI copies small messages.
  void see_off() noexcept;

 private:
  struct Outgoing {
    Notice notice;
    MPI_Request request = MPI_REQUEST_NULL;
  };

  std::shared_ptr<NoticeHub> hub_;  // null: the MPI communicator is this one's
  std::vector<int> ranks_;          // in the hub's
  MPI_Comm comm_ = MPI_COMM_NULL;
  int rank_ = 0;
  int size_ = 1;
  std::uint64_t stamp_ = 0;
  bool any_ = false;
  std::list<Outgoing> outgoing_;  // addresses must stay
};

}  // namespace tutti::detail
