// How ranks check that their calls match: the first message between two ranks in each direction tells of the sender's.
//
// A small payload rides along in the same message; a larger one follows in a message of its own. A receive of a first
// message always has room for the largest that another call may have sent, so that a mismatch is recognised instead of
// truncated.
//
// That calls differ is always seen. How, is told as far as it fits so few bytes that they share a cache line with a
// small payload and the transport's own header: with 80 bytes a call of 8 took a tenth longer between two processes of
// a node (bench/node/signatures.cpp).
#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include <tutti/collectives/call/call.hpp>
#include <tutti/collectives/schedule/message_sizes.hpp>
#include <tutti/collectives/transport/transport.hpp>

namespace tutti::detail {

/// What a first message tells of its call.
struct CallHeader {
  std::uint64_t digest;  ///< of the signature
  std::uint64_t count;   ///< of the pair, where it is counted by pair
  std::int32_t root;     ///< kByPair if so
  Collective collective;
  DType dtype;
  ReduceOp op;
  std::uint8_t algorithm;
  friend bool operator==(const CallHeader&, const CallHeader&) = default;

  static constexpr std::int32_t kByPair = -1;
};
static_assert(sizeof(CallHeader) == 24);

/// A first message that is awaited or has come, and a payload that rides along.
struct FirstMessage {
  int peer = 0;
  bool verified = false;
  Pending pending;
  CallHeader header;
  std::byte payload[kPackedBytes];

  /// Where it arrives, behind as many bytes as do not come.
  std::span<std::byte> bytes(std::size_t missing) noexcept {
    return std::span(reinterpret_cast<std::byte*>(&header), sizeof(CallHeader) + kPackedBytes).subspan(missing);
  }
};
static_assert(offsetof(FirstMessage, payload) == offsetof(FirstMessage, header) + sizeof(CallHeader));

/// Sends and receives the messages of one operation at a time; kept and reused from operation to operation. Addresses
/// of first messages stay. All memory is MPI's until the operation ends.
class SignatureExchange {
 public:
  /// Whether operations that begin from now on tell of calls, and compare them: on all ranks alike.
  void set_compares(bool compares) noexcept { compares_ = compares; }

  /// Begins an operation on a communicator of `size` ranks (always the same), with the digest of its call. Of a call
  /// counted by pair the sizes of the blocks that are sent and awaited, as in Call, which stay until the operation
  /// ends.
  void begin(const Signature& own, std::uint64_t digest, int size, std::span<const std::size_t> sent_offsets = {},
             std::span<const std::size_t> awaited_offsets = {});

  const Signature& own() const noexcept { return own_; }

  /// Whether there are first messages that have not come, or have not been looked at.
  bool awaits_any() const noexcept { return unverified_ > 0; }

  void send(Transport& transport, int peer, std::span<const std::byte> payload, Pending& pending);

  /// Returns the first message that comes with this message if it is the peer's first; a payload of at most
  /// kPackedBytes then arrives in it instead of in `payload`.
  const FirstMessage* receive(Transport& transport, int peer, std::span<std::byte> payload, Pending& pending);

  /// A peer's call that differs from the own one, among those that have come; if it can be, one that tells how.
  struct Mismatch {
    int peer;
    Signature own;     ///< as it should be on the peer
    Signature theirs;  ///< as far as is told: the same if it differs in anything else
  };
  std::optional<Mismatch> verify();

 private:
  CallHeader header_for(int peer, std::span<const std::size_t> offsets) const noexcept;
  Signature signature_of(const CallHeader& header) const noexcept;
  std::size_t header_bytes() const noexcept { return compares_ ? sizeof(CallHeader) : 0; }

  bool compares_ = true;
  Signature own_{};
  CallHeader header_{};
  int tag_ = 0;
  std::span<const std::size_t> sent_offsets_;
  std::span<const std::size_t> awaited_offsets_;
  std::uint64_t operation_ = 0;              // counts begin()
  std::vector<std::uint64_t> sent_to_;       // by peer: the last operation in which our signature was sent
  std::vector<std::uint64_t> awaited_from_;  // by peer: the last operation in which its signature was awaited
  std::vector<std::unique_ptr<FirstMessage>> awaited_;  // the first awaited_count_ are in use
  std::vector<std::vector<std::byte>> sent_;            // the first sent_count_ are in use
  std::size_t awaited_count_ = 0;
  std::size_t sent_count_ = 0;
  int unverified_ = 0;
};

}  // namespace tutti::detail
