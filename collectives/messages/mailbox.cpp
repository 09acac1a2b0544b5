// Point-to-point messages of a communicator; see mailbox.hpp.
#include <algorithm>
#include <cstring>
#include <utility>

#include <tutti/collectives/communicator/communicator_state.hpp>
#include <tutti/collectives/messages/mailbox.hpp>
#include <tutti/collectives/point_to_point.hpp>
#include <tutti/collectives/system/leak_until_exit.hpp>
#include <tutti/collectives/transport/tags.hpp>
#include <tutti/kernels/copy.hpp>
#include <tutti/kernels/error.hpp>
#include <tutti/kernels/text.hpp>

namespace tutti::detail {
namespace {

bool is_inline(std::size_t bytes) noexcept { return bytes <= kInlinePayloadBytes; }

std::string elements_in_words(DType dtype, std::uint64_t count) { return text(name(dtype), " x ", count); }

MessageHeader header_of(const Message& message) noexcept {
  const ConstBuffer data = message.direction == Direction::send ? message.outgoing : message.incoming;
  return {.number = message.number, .count = data.count, .dtype = static_cast<std::uint64_t>(data.dtype)};
}

}  // namespace

std::string describe(const Message& message) {
  const bool is_send = message.direction == Direction::send;
  const ConstBuffer data = is_send ? message.outgoing : message.incoming;
  const std::string peer = message.wanted == kAnySource ? "any rank" : text("rank ", message.wanted);
  return text(is_send ? "send to " : "receive from ", peer, " (", elements_in_words(data.dtype, data.count), ")");
}

Mailbox::Mailbox(CommunicatorState& state)
    : state_(state),
      sent_(static_cast<std::size_t>(state.size())),
      received_(static_cast<std::size_t>(state.size())),
      verified_(static_cast<std::size_t>(state.size())) {}

std::shared_ptr<Message> Mailbox::acquire(Direction direction, int peer) {
  std::shared_ptr<Message> message;
  if (idle_.empty()) {
    message = std::make_shared<Message>();
    message->header.resize(sizeof(MessageHeader) + kInlinePayloadBytes);
  } else {
    message = std::move(idle_.back());
    idle_.pop_back();
  }
  message->direction = direction;
  message->wanted = peer;
  message->peer.reset();
  message->verified = false;
  return message;
}

void Mailbox::release(std::shared_ptr<Message> message) noexcept {
  constexpr std::size_t kKeptForReuse = 64;
  if (idle_.size() < kKeptForReuse) idle_.push_back(std::move(message));
}

std::shared_ptr<Message> Mailbox::send(ConstBuffer data, int to) {
  std::shared_ptr<Message> message = acquire(Direction::send, to);
  message->peer = to;
  message->outgoing = data;
  message->number = sent_[static_cast<std::size_t>(to)]++;
  message->verified = true;
  if (to == state_.rank()) {
    send_to_self(*message);
    return message;
  }
  const MessageHeader header = header_of(*message);
  const std::span<const std::byte> payload(static_cast<const std::byte*>(data.data), data.size_bytes());
  const std::size_t inlined = is_inline(payload.size()) ? payload.size() : 0;
  std::memcpy(message->header.data(), &header, sizeof(header));
  if (inlined > 0) std::memcpy(message->header.data() + sizeof(header), payload.data(), inlined);
  const std::span<const std::byte> first(message->header.data(), sizeof(header) + inlined);
  try {
    state_.transport().send(to, kMessageTag, first, message->header_pending);
    if (inlined < payload.size()) {
      state_.transport().send(to, kMessagePayloadTag, payload, message->payload_pending);
    }
  } catch (...) {
    leak_until_exit(message);
    throw;
  }
  return message;
}

std::shared_ptr<Message> Mailbox::receive(Buffer data, int from) {
  std::shared_ptr<Message> message = acquire(Direction::receive, from);
  message->incoming = data;
  const bool own_is_there = from == kAnySource && !kept_.empty();
  if (from == kAnySource && !own_is_there) {
    any_source_.push_back(message);
    return message;
  }
  try {
    start_receive(message, own_is_there ? state_.rank() : from);
  } catch (...) {
    leak_until_exit(message);
    throw;
  }
  return message;
}

/// The next message from rank `from` is this one.
void Mailbox::start_receive(const std::shared_ptr<Message>& message, int from) {
  message->peer = from;
  message->number = received_[static_cast<std::size_t>(from)]++;
  if (from == state_.rank()) {
    if (kept_.empty()) {
      from_self_.push_back(message);
    } else {
      const Kept kept = std::move(kept_.front());
      kept_.pop_front();
      deliver(*message, kept.header, kept.bytes.get());
    }
    return;
  }
  awaited_.push_back(message);
  state_.transport().receive(from, kMessageTag, message->header, message->header_pending);
  const Buffer& data = message->incoming;
  if (is_inline(data.size_bytes())) return;
  const std::span<std::byte> payload(static_cast<std::byte*>(data.data), data.size_bytes());
  state_.transport().receive(from, kMessagePayloadTag, payload, message->payload_pending);
}

void Mailbox::send_to_self(Message& message) {
  const auto* payload = static_cast<const std::byte*>(message.outgoing.data);
  const MessageHeader header = header_of(message);
  std::deque<std::shared_ptr<Message>>& takers = from_self_.empty() ? any_source_ : from_self_;
  if (!takers.empty()) {
    const std::shared_ptr<Message> taker = std::move(takers.front());
    takers.pop_front();
    if (!taker->peer) {
      taker->peer = state_.rank();
      taker->number = received_[static_cast<std::size_t>(state_.rank())]++;
    }
    deliver(*taker, header, payload);
    return;
  }
  const std::size_t bytes = message.outgoing.size_bytes();
  Kept kept{header, std::make_unique_for_overwrite<std::byte[]>(bytes)};
  if (bytes > 0) copy_bytes(kept.bytes.get(), payload, bytes);
  kept_.push_back(std::move(kept));
}

/// A message of this rank reaches its receive.
void Mailbox::deliver(Message& message, const MessageHeader& header, const std::byte* payload) {
  require_match(message, header);
  const std::size_t bytes = message.incoming.size_bytes();
  if (bytes > 0) std::memmove(message.incoming.data, payload, bytes);  // a program may receive where it sends from
  message.verified = true;
}

bool Mailbox::look_at_messages() {
  if (state_.failures().unusable()) return false;
  try {
    const bool served = serve_any_source();
    return check_headers() || served;
  } catch (const CommunicationError& error) {
    state_.failures().fail(kNoSequence, error.what());  // unless it has been told already
    throw;
  }
}

bool Mailbox::serve_any_source() {
  bool any = false;
  while (!any_source_.empty()) {
    const std::optional<int> source = state_.transport().probe(kMessageTag);
    if (!source) break;
    const std::shared_ptr<Message> message = std::move(any_source_.front());
    any_source_.pop_front();
    start_receive(message, *source);
    any = true;
  }
  return any;
}

bool Mailbox::check_headers() {
  const auto is_next = [&](const Message& message) {
    return message.header_pending.messages == 0 && message.number == verified_[static_cast<std::size_t>(*message.peer)];
  };
  const auto check = [&](const std::shared_ptr<Message>& message) {
    if (!is_next(*message)) return false;
    MessageHeader theirs{};
    std::memcpy(&theirs, message->header.data(), sizeof(theirs));
    require_match(*message, theirs);
    const Buffer& data = message->incoming;
    if (const std::size_t bytes = data.size_bytes(); bytes > 0 && is_inline(bytes)) {
      std::memcpy(data.data, message->header.data() + sizeof(theirs), bytes);
    }
    message->verified = true;
    ++verified_[static_cast<std::size_t>(*message->peer)];
    return true;
  };
  return std::erase_if(awaited_, check) > 0;
}

void Mailbox::require_match(const Message& message, const MessageHeader& theirs) {
  const MessageHeader own = header_of(message);
  if (own == theirs) return;
  const auto words = [](const MessageHeader& header) {
    return elements_in_words(static_cast<DType>(header.dtype), header.count);
  };
  std::string difference = text("messages differ: rank ", *message.peer, " sends ", words(theirs), " as message #",
                                theirs.number, ", rank ", state_.rank(), " awaits ", words(own));
  if (own.number != theirs.number) difference += text(" as message #", own.number);
  const std::string why = text(describe(message), ": ", difference);
  state_.failures().fail(kNoSequence, why);
  throw CommunicationError(why);
}

}  // namespace tutti::detail
