// How ranks check that their calls match: the first message between two ranks in each direction carries the sender's
// signature.
//
// A small payload rides along in the same message; a larger one follows in a message of its own. A receive of a first
// message always has room for the largest that another call may have sent, so that a mismatch is recognised instead of
// truncated.
#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include <tutti/collectives/call.hpp>
#include <tutti/collectives/message_sizes.hpp>
#include <tutti/collectives/transport.hpp>

namespace tutti::detail {

/// A first message that is awaited or has come: the header, and a payload that rides along.
struct Greeting {
  int peer = 0;
  bool verified = false;
  Pending pending;
  Header header;
  std::byte payload[kPackedBytes];

  /// Where it arrives.
  std::span<std::byte> bytes() noexcept {
    return {reinterpret_cast<std::byte*>(&header), sizeof(Header) + kPackedBytes};
  }
};
static_assert(offsetof(Greeting, payload) == offsetof(Greeting, header) + sizeof(Header));

/// Sends and receives the messages of one operation at a time; kept and reused from operation to operation. Addresses
/// of greetings stay. All memory is MPI's until the operation ends.
class Handshake {
 public:
  /// Begins an operation with this header, on a communicator of `size` ranks (always the same). Of a call counted by
  /// pair the sizes of the blocks that are sent and awaited, as in Call, which stay until the operation ends.
  void begin(const Header& own, int size, std::span<const std::size_t> sent_offsets = {},
             std::span<const std::size_t> awaited_offsets = {});

  const Header& own() const noexcept { return own_; }

  /// Whether there are first messages that have not come, or have not been looked at.
  bool awaits_any() const noexcept { return unverified_ > 0; }

  void send(Transport& transport, int peer, std::span<const std::byte> payload, Pending& pending);

  /// Returns the greeting that comes with this message if it is the peer's first; a payload of at most
  /// kPackedBytes then arrives in it instead of in `payload`.
  const Greeting* receive(Transport& transport, int peer, std::span<std::byte> payload, Pending& pending);

  /// A peer's signature that differs from the own one, among those that have come since the last look.
  struct Mismatch {
    int peer;
    Header own;  ///< as it should be on the peer
    Header theirs;
  };
  std::optional<Mismatch> verify();

 private:
  Signature call_with(int peer, std::span<const std::size_t> offsets) const noexcept;

  Header own_{};
  int tag_ = 0;
  std::span<const std::size_t> sent_offsets_;
  std::span<const std::size_t> awaited_offsets_;
  std::uint64_t operation_ = 0;                     // counts begin()
  std::vector<std::uint64_t> greeted_;              // by peer: the last operation in which our signature was sent
  std::vector<std::uint64_t> greeted_by_;           // by peer: the last operation in which its signature was awaited
  std::vector<std::unique_ptr<Greeting>> awaited_;  // the first awaited_count_ are in use
  std::vector<std::vector<std::byte>> sent_;        // the first sent_count_ are in use
  std::size_t awaited_count_ = 0;
  std::size_t sent_count_ = 0;
  int unverified_ = 0;
};

}  // namespace tutti::detail
