// What moves messages between ranks.
//
// A transport starts sends and receives and reports their completion. Messages between two ranks with the same tag are
// matched in the order in which they were started on either side. Bytes exist only here.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include <tutti/collectives/transport/waiting.hpp>

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

/// Tags are 0 to 32767, which every MPI has; tags.hpp tells whose they are.
class Transport {
 public:
  Transport() = default;
  Transport(const Transport&) = delete;
  Transport& operator=(const Transport&) = delete;
  virtual ~Transport() = default;

  /// Starts a message of these bytes, which the transport reads until it is complete. \throws CommunicationError
  virtual void send(int peer, int tag, std::span<const std::byte> bytes, Pending& pending) = 0;

  /// Starts to receive a message of at most so many bytes. \throws CommunicationError
  virtual void receive(int peer, int tag, std::span<std::byte> bytes, Pending& pending) = 0;

  /// The sender of a message with this tag that has come and that no receive awaits. Never waits. \throws
  /// CommunicationError
  virtual std::optional<int> probe(int tag) = 0;

  /// Drives what is under way and counts down what has completed; true if anything has. \throws CommunicationError if a
  /// message failed.
  virtual bool progress() = 0;

  /// Blocks until a message is done, if any is under way: how ranks wait in a simulator. \throws CommunicationError if
  /// one failed.
  virtual void wait_any() = 0;

  /// Gives up the processor for at most so long; less if the transport can tell that a message has come.
  virtual void sleep(Clock::duration longest);

  /// Messages completed so far: what waits for some need not look again before this changes.
  std::uint64_t completions() const noexcept { return completions_; }

  /// Everything under way, for messages to people.
  virtual std::vector<Underway> underway() const = 0;

 protected:
  void count_down(Pending& pending) noexcept {
    --pending.messages;
    ++completions_;
  }

  std::uint64_t completions_ = 0;
};

}  // namespace tutti::detail
