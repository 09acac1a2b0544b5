// Notices: what the ranks of a communicator tell each other about it, of failures, and when they wait long. They travel
// on an MPI communicator of their own, so that they arrive whatever becomes of the data.
#pragma once

#include <mpi.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <list>
#include <optional>
#include <string_view>

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

/// One rank's end of the MPI communicator for notices.
class NoticeChannel {
 public:
  /// Duplicates `parent`. Collective. \throws CommunicationError
  explicit NoticeChannel(MPI_Comm parent);
  NoticeChannel(const NoticeChannel&) = delete;
  NoticeChannel& operator=(const NoticeChannel&) = delete;

  /// What is under way stays until the process ends: MPI may still read it.
  ~NoticeChannel();

  /// Gives the MPI communicator back, which no notice may be on its way on. Collective.
  void free() noexcept;

  /// `stamp` tells the communicator from all others; before the first notice.
  void set_stamp(std::uint64_t stamp) noexcept { stamp_ = stamp; }

  /// Whether any was sent here, or came.
  bool any() const noexcept { return any_; }

  /// Sends it, or does nothing if MPI cannot: the peer has its deadline.
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

  MPI_Comm comm_ = MPI_COMM_NULL;
  int rank_ = 0;
  int size_ = 1;
  std::uint64_t stamp_ = 0;
  bool any_ = false;
  std::list<Outgoing> outgoing_;  // addresses must stay
};

}  // namespace tutti::detail
