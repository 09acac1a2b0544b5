// Signatures ahead of first messages; see handshake.hpp.
#include <cstring>

#include <tutti/collectives/handshake.hpp>

namespace tutti::detail {

int Handshake::tag() const noexcept {
  constexpr std::uint64_t kTags = 32000;  // MPI guarantees tags up to 32767
  return static_cast<int>(own_.sequence % kTags);
}

void Handshake::send(MpiTransport& transport, int peer, std::span<const std::byte> payload, Pending& pending) {
  auto greeted = greeted_[static_cast<std::size_t>(peer)];
  if (!greeted) {
    greeted = true;
    const std::size_t inlined = payload.size() <= kInlinePayloadBytes ? payload.size() : 0;
    std::vector<std::byte>& message = sent_.emplace_back(sizeof(Signature) + inlined);
    std::memcpy(message.data(), &own_, sizeof(Signature));
    if (inlined > 0) std::memcpy(message.data() + sizeof(Signature), payload.data(), inlined);
    transport.send(peer, tag(), message, pending);
    payload = payload.subspan(inlined);
  }
  if (!payload.empty()) transport.send(peer, tag(), payload, pending);
}

const Greeting* Handshake::receive(MpiTransport& transport, int peer, std::span<std::byte> payload, Pending& pending) {
  const Greeting* first = nullptr;
  auto greeted_by = greeted_by_[static_cast<std::size_t>(peer)];
  if (!greeted_by) {
    greeted_by = true;
    Greeting& greeting = awaited_.emplace_back();
    greeting.peer = peer;
    greeting.bytes.resize(sizeof(Signature) + kInlinePayloadBytes);
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
  for (Greeting& greeting : awaited_) {
    if (greeting.verified || greeting.pending.messages > 0) continue;
    Signature theirs{};
    std::memcpy(&theirs, greeting.bytes.data(), sizeof(Signature));
    if (theirs != own_) return Mismatch{greeting.peer, theirs};
    greeting.verified = true;
    --unverified_;
  }
  return std::nullopt;
}

}  // namespace tutti::detail
