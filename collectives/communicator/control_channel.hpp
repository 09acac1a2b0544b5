// One rank's end of what control messages travel on: apart from the data, so that they arrive whatever becomes of
// these.
#pragma once

#include <cstdint>
#include <optional>

#include <tutti/collectives/communicator/control_message.hpp>

namespace tutti::detail {

class ControlChannel {
 public:
  ControlChannel(int rank, int size) noexcept : rank_(rank), size_(size) {}
  ControlChannel(const ControlChannel&) = delete;
  ControlChannel& operator=(const ControlChannel&) = delete;
  virtual ~ControlChannel() = default;

  int rank() const noexcept { return rank_; }
  int size() const noexcept { return size_; }

  /// `stamp` tells the communicator from all others; before the first message.
  virtual void set_stamp(std::uint64_t stamp) = 0;

  /// Sends it, or does nothing if that is impossible: the peer has its timeout.
  void send(int peer, const ControlMessage& message) noexcept;
  void send_all(const ControlMessage& message) noexcept;

  /// The next that has come, if there is one. \throws CommunicationError
  std::optional<ControlMessage> receive();

  /// Whether any was sent here, or came.
  bool any() const noexcept { return any_; }

  /// Lets go of what has been sent.
  virtual void forget_sent() noexcept = 0;

  /// Drives what is under way for a while: a program need not call anything after an error.
  virtual void flush() noexcept = 0;

  /// Gives back what the channel stands on; no message may be on its way. Collective.
  virtual void free() noexcept = 0;

 protected:
  /// Something came that is not for this communicator.
  void set_any() noexcept { any_ = true; }

 private:
  virtual void do_send(int peer, const ControlMessage& message) noexcept = 0;
  virtual std::optional<ControlMessage> do_receive() = 0;

  int rank_;
  int size_;
  bool any_ = false;
};

}  // namespace tutti::detail
