// Numbers of operations.
#pragma once

#include <cstdint>

namespace tutti::detail {

/// Instead of an operation's sequence number: a message between two ranks, which has none.
inline constexpr std::uint64_t kNoSequence = UINT64_MAX;

}  // namespace tutti::detail
