// Control messages over an MPI communicator of their own, or over one that many communicators share.
#pragma once

#include <mpi.h>

#include <cstdint>
#include <deque>
#include <list>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <vector>

#include <tutti/collectives/communicator/control_channel.hpp>

namespace tutti::detail {

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
  void take_in(const ControlMessage& message);

  MPI_Comm comm_;
  std::mutex mutex_;
  std::map<std::uint64_t, std::deque<ControlMessage>> open_;
  std::deque<ControlMessage> early_;  // of communicators that are not yet made here, or no longer there
};

class MpiControlChannel final : public ControlChannel {
 public:
  /// Duplicates `parent`. Collective. \throws CommunicationError
  explicit MpiControlChannel(MPI_Comm parent);

  /// By a hub, where rank r of the communicator is `ranks[r]`. Local.
  MpiControlChannel(std::shared_ptr<ControlHub> hub, std::vector<int> ranks, int rank);

  /// What is under way stays until the process ends: MPI may still read it.
  ~MpiControlChannel() override;

  void set_stamp(std::uint64_t stamp) override;
  void forget_sent() noexcept override;

  /// Calls MPI, which connects two machines when a first message between them is under way, and for that needs calls of
  /// both. Whether the sends are complete says nothing, since MPI copies small messages.
  void flush() noexcept override;

  /// Frees the MPI communicator, unless it is a hub's.
  void free() noexcept override;

 private:
  struct Outgoing {
    ControlMessage message;
    MPI_Request request = MPI_REQUEST_NULL;
  };

  struct Duplicate {
    MPI_Comm comm;
    int rank;
    int size;
  };
  static Duplicate duplicate_of(MPI_Comm parent);
  explicit MpiControlChannel(const Duplicate& duplicate) noexcept;

  void do_send(int peer, const ControlMessage& message) noexcept override;
  std::optional<ControlMessage> do_receive() override;

  std::shared_ptr<ControlHub> hub_;  // null: the MPI communicator is this one's
  std::vector<int> ranks_;           // in the hub's
  MPI_Comm comm_;
  std::uint64_t stamp_ = 0;
  std::list<Outgoing> outgoing_;  // addresses must stay
};

}  // namespace tutti::detail
