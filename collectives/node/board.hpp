// What the ranks of a node show each other: one board each, in memory that all of them map. Only its owner writes it.
//
// Collectives on a node are numbered; all ranks call them in one order. A rank that enters one posts what it brings: a
// digest of the call, and its data or the place where they lie. Small data lie in the cache line of the number that the
// others look at, so that one transfer of a line brings both. Large data go through in chunks, and each rank counts
// what it has done of them.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>

#include <tutti/collectives/call.hpp>

namespace tutti::detail {

inline constexpr std::size_t kCacheLine = 64;

/// How many collectives a rank may be ahead of the slowest one of its node.
inline constexpr std::uint64_t kPosts = 16;

/// The largest input that is posted itself.
inline constexpr std::size_t kPostedBytes = 4096;

/// Where data lie in memory that node-mates can map.
struct Place {
  std::uint64_t allocation = 0;  ///< number of the rank's allocation; 0: in memory that they cannot map
  std::uint64_t offset = 0;
  std::uint64_t bytes = 0;  ///< of the whole allocation
  std::uint64_t inode = 0;
  std::int64_t fd = -1;
};

/// Where a rank's input and output lie.
struct Places {
  Place input;
  Place output;
};

/// What a rank posts when it enters a collective. `number` is that of the collective and one more, and is written last.
struct alignas(kCacheLine) Post {
  std::atomic<std::uint64_t> number;
  std::uint64_t digest;
  std::byte body[kPostedBytes];  ///< the input, or Places
  Header header;                 ///< for messages to people
};

/// Chunks of which a rank has done something, of all collectives that have chunks: those of collective c (they are
/// numbered apart) begin at chunk_base(c).
struct Counters {
  alignas(kCacheLine) std::atomic<std::uint64_t> filled;   ///< its inputs lie where the others read them
  alignas(kCacheLine) std::atomic<std::uint64_t> reduced;  ///< its share is combined, and lies where the others read it
  alignas(kCacheLine) std::atomic<std::uint64_t> taken;    ///< all shares are in its output
};

constexpr std::uint64_t chunk_base(std::uint64_t collective) noexcept { return collective << 24; }

struct Board {
  alignas(kCacheLine) std::atomic<std::uint64_t> left;  ///< collectives before this number read no post any more
  std::uint64_t identity;  ///< of the process: a process of another container may have its PID
  Counters counters;
  Post posts[kPosts];
};

}  // namespace tutti::detail
