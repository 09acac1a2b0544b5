// Signatures ahead of first messages; see handshake.hpp.
#include <cstring>

#include <tutti/collectives/handshake.hpp>
#include <tutti/collectives/tags.hpp>

namespace tutti::detail {

int Handshake::tag() const noexcept { return static_cast<int>(own_.call.sequence % std::uint64_t{kCollectiveTags}); }

Header Handshake::header_for(int peer, std::span<const std::size_t> offsets) const noexcept {
  Header header = own_;
  const auto at = static_cast<std::size_t>(peer);
  if (!offsets.empty()) header.call.count = offsets[at + 1] - offsets[at];
  return header;
}

void Handshake::begin(const Header& own, int size, std::span<const std::size_t> sent_offsets,
                      std::span<const std::size_t> awaited_offsets) {
  own_ = own;
  sent_offsets_ = sent_offsets;
  awaited_offsets_ = awaited_offsets;
  ++operation_;
  greeted_.resize(static_cast<std::size_t>(size));
  greeted_by_.resize(static_cast<std::size_t>(size));
  awaited_count_ = 0;
  sent_count_ = 0;
  unverified_ = 0;
}

void Handshake::send(Transport& transport, int peer, std::span<const std::byte> payload, Pending& pending) {
  std::uint64_t& greeted = greeted_[static_cast<std::size_t>(peer)];
  if (greeted != operation_) {
    greeted = operation_;
    const std::size_t inlined = payload.size() <= kInlinePayloadBytes ? payload.size() : 0;
    if (sent_count_ == sent_.size()) sent_.emplace_back();
    std::vector<std::byte>& message = sent_[sent_count_++];
    message.resize(sizeof(Header) + inlined);
    const Header header = header_for(peer, sent_offsets_);
    std::memcpy(message.data(), &header, sizeof(Header));
    if (inlined > 0) std::memcpy(message.data() + sizeof(Header), payload.data(), inlined);
    transport.send(peer, tag(), message, pending);
    payload = payload.subspan(inlined);
  }
  if (!payload.empty()) transport.send(peer, tag(), payload, pending);
}

const Greeting* Handshake::receive(Transport& transport, int peer, std::span<std::byte> payload, Pending& pending) {
  const Greeting* first = nullptr;
  std::uint64_t& greeted_by = greeted_by_[static_cast<std::size_t>(peer)];
  if (greeted_by != operation_) {
    greeted_by = operation_;
    if (awaited_count_ == awaited_.size()) {
      awaited_.emplace_back().bytes.resize(sizeof(Header) + kInlinePayloadBytes);
    }
    Greeting& greeting = awaited_[awaited_count_++];
    greeting.peer = peer;
    greeting.verified = false;
    transport.receive(peer, tag(), greeting.bytes, greeting.pending);
    ++unverified_;
    first = &greeting;
  }
  const bool inlined = first != nullptr && payload.size() <= kInlinePayloadBytes;
  if (!inlined && !payload.empty()) transport.receive(peer, tag(), payload, pending);
  return first;
}

std::optional<Handshake::Mismatch> Handshake::verify() {
  if (unverified_ == 0) return std::nullopt;
  for (std::size_t i = 0; i < awaited_count_; ++i) {
    Greeting& greeting = awaited_[i];
    if (greeting.verified || greeting.pending.messages > 0) continue;
    Header theirs{};
    std::memcpy(&theirs, greeting.bytes.data(), sizeof(Header));
    const Header own = header_for(greeting.peer, awaited_offsets_);
    if (theirs.call != own.call) return Mismatch{greeting.peer, own, theirs};
    greeting.verified = true;
    --unverified_;
  }
  return std::nullopt;
}

}  // namespace tutti::detail
