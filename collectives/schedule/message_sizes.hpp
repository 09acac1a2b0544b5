// How payloads become messages, by size.
#pragma once

#include <cstddef>

namespace tutti::detail {

/// The largest payload of a collective that is copied to travel as one message: two ranges of blocks, or one together
/// with the signature, in the first message to a peer (signature_exchange.hpp). A larger one travels as two messages.
inline constexpr std::size_t kPackedBytes = 16384;

/// The largest payload of a message between two ranks that travels in its header (mailbox.hpp).
inline constexpr std::size_t kInlinePayloadBytes = 4096;

}  // namespace tutti::detail
