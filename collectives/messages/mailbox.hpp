// The point-to-point messages of a communicator: matching, headers, and what has not been received.
//
// A message is a header with up to kInlinePayloadBytes of payload, or a header and a payload that follows under a tag
// of its own. A receive of a known source posts both at once. One of any source waits until a message has come that
// nothing awaits, and is from then on a receive of that message's source. Headers of one source are checked in their
// order, so that a payload that came to lie in the wrong buffer is noticed before a receive is complete.
//
// Messages to this rank itself do not touch the transport.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <tutti/collectives/communicator/communicator_state.hpp>
#include <tutti/collectives/communicator/progress_list.hpp>
#include <tutti/collectives/schedule/message_sizes.hpp>
#include <tutti/collectives/transport/transport.hpp>
#include <tutti/kernels/buffer.hpp>

namespace tutti::detail {

/// What travels ahead of a payload.
struct MessageHeader {
  std::uint64_t number;  ///< among the messages from this sender to this receiver, from 0
  std::uint64_t count;
  std::uint64_t dtype;
  friend bool operator==(const MessageHeader&, const MessageHeader&) = default;
};

/// A message that is sent or received here. The transport reads and writes it until it is complete.
struct Message {
  Direction direction = Direction::send;
  int wanted = 0;             ///< the other rank, or kAnySource
  std::optional<int> peer;    ///< the other rank; none while any source may come
  ConstBuffer outgoing = {};  ///< of a send
  Buffer incoming = {};       ///< of a receive
  std::uint64_t number = 0;   ///< among those of the pair in this direction
  bool verified = false;      ///< a send, or the header has come and is right
  Pending header_pending;
  Pending payload_pending;
  std::vector<std::byte> header;  ///< MessageHeader and the payload that rides along

  bool complete() const noexcept { return verified && header_pending.messages == 0 && payload_pending.messages == 0; }
};

/// "receive from rank 2 (f32 x 12)".
std::string describe(const Message& message);

class Mailbox final : public Driven {
 public:
  explicit Mailbox(CommunicatorState& state);

  /// Start a message; arguments have been checked. \throws CommunicationError
  std::shared_ptr<Message> send(ConstBuffer data, int to);
  std::shared_ptr<Message> receive(Buffer data, int from);

  /// Does what can be done with messages that have come; true if anything could. \throws CommunicationError if one is
  /// not what is awaited; all ranks have been told then.
  bool advance_beside() override { return (!any_source_.empty() || !awaited_.empty()) && look_at_messages(); }

  /// Takes back a message that is complete, for reuse.
  void release(std::shared_ptr<Message> message) noexcept;

 private:
  /// A message to this rank itself that nothing has awaited yet.
  struct Kept {
    MessageHeader header;
    std::unique_ptr<std::byte[]> bytes;
  };

  std::shared_ptr<Message> acquire(Direction direction, int peer);
  void start_receive(const std::shared_ptr<Message>& message, int from);
  void send_to_self(Message& message);
  void deliver(Message& message, const MessageHeader& header, const std::byte* payload);
  bool look_at_messages();
  bool serve_any_source();
  bool check_headers();
  void require_match(const Message& message, const MessageHeader& theirs);

  CommunicatorState& state_;
  std::vector<std::uint64_t> sent_;                  // by peer: messages started
  std::vector<std::uint64_t> received_;              // by peer: receives started
  std::vector<std::uint64_t> verified_;              // by peer: headers checked
  std::vector<std::shared_ptr<Message>> awaited_;    // from other ranks, header not checked, in order of start
  std::deque<std::shared_ptr<Message>> any_source_;  // that no message has come for, in order of start
  std::deque<std::shared_ptr<Message>> from_self_;   // receives from this rank that no message has come for
  std::deque<Kept> kept_;
  std::vector<std::shared_ptr<Message>> idle_;
};

/// That of a communicator, which is made when it is first asked for.
inline Mailbox& mailbox_of(CommunicatorState& state) {
  ProgressList& progress = state.progress();
  if (progress.messages() == nullptr) progress.set_messages(std::make_unique<Mailbox>(state));
  return static_cast<Mailbox&>(*progress.messages());  // nobody else sets it
}

}  // namespace tutti::detail
