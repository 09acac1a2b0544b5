// How ranks check that their calls match: the first message between two ranks in each direction carries the sender's
// signature.
//
// A small payload rides along in the same message; a larger one follows in a message of its own. A receive of a first
// message always has room for the largest that another call may have sent, so that a mismatch is recognised instead of
// truncated.
#pragma once

#include <cstddef>
#include <list>
#include <optional>
#include <span>
#include <vector>

#include <tutti/collectives/call.hpp>
#include <tutti/collectives/transport.hpp>

namespace tutti::detail {

/// The largest payload that travels together with a signature.
inline constexpr std::size_t kInlinePayloadBytes = 4096;

/// A first message that is awaited or has come.
struct Greeting {
  int peer = 0;
  bool verified = false;
  Pending pending;
  std::vector<std::byte> bytes;

  const std::byte* payload() const noexcept { return bytes.data() + sizeof(Signature); }
};

/// Sends and receives the messages of one operation. Addresses of greetings stay; all memory is MPI's until the
/// operation ends.
class Handshake {
 public:
  Handshake(const Signature& own, int size)
      : own_(own), greeted_(static_cast<std::size_t>(size)), greeted_by_(static_cast<std::size_t>(size)) {}

  const Signature& own() const noexcept { return own_; }

  void send(MpiTransport& transport, int peer, std::span<const std::byte> payload, Pending& pending);

  /// Returns the greeting that comes with this message if it is the peer's first; a payload of at most
  /// kInlinePayloadBytes then arrives in it instead of in `payload`.
  const Greeting* receive(MpiTransport& transport, int peer, std::span<std::byte> payload, Pending& pending);

  /// A peer's signature that differs from the own one, among those that have come since the last look.
  struct Mismatch {
    int peer;
    Signature theirs;
  };
  std::optional<Mismatch> verify();

 private:
  int tag() const noexcept;

  Signature own_;
  std::vector<bool> greeted_;     // by peer: our signature has been sent
  std::vector<bool> greeted_by_;  // by peer: its signature is awaited or here
  std::list<Greeting> awaited_;
  std::list<std::vector<std::byte>> sent_;
  int unverified_ = 0;
};

}  // namespace tutti::detail
