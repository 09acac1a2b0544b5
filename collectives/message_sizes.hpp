// How payloads become messages, by size.
#pragma once

#include <cstddef>

namespace tutti::detail {

/// The largest payload that travels together with a signature, in the first message to a peer (handshake.hpp).
inline constexpr std::size_t kInlinePayloadBytes = 4096;

/// The largest payload of two ranges of blocks that is packed into one message, copied at both ends; a larger one
/// travels as two messages.
inline constexpr std::size_t kPackedBytes = 16384;

}  // namespace tutti::detail
