// What the ranks of a node show each other: one control block each, in memory that all of them map. Only its owner
// writes it.
//
// Collectives on a node are numbered; all ranks call them in one order. A rank that enters one posts what it brings: a
// digest of the call, and its data or the place where they lie. Small data lie in the cache line of the number that the
// others look at, so that one transfer of a line brings both. Large data go through in chunks, which are numbered
// through all collectives, and each rank counts what it has done of them. Data that the others can neither map nor read
// where they lie (cross_memory_attach.hpp) are staged.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>

#include <tutti/collectives/call/call.hpp>

namespace tutti::detail {

inline constexpr std::size_t kCacheLine = 64;

/// How many collectives a rank may be ahead of what the slowest one of its node tells to have left.
inline constexpr std::uint64_t kPublishedCalls = 16;

/// A rank tells of so many small ones at a time, no more than there are posts: who looks takes the line from its
/// caches.
inline constexpr std::uint64_t kToldTogether = 8;
static_assert(kToldTogether <= kPublishedCalls);

/// The largest input that is posted itself.
inline constexpr std::size_t kPublishedBytes = 4096;

/// Where data lie for local ranks.
struct BufferHandle {
  std::uint64_t address = 0;     ///< where they can read them in the memory of the rank's process; 0: nowhere
  std::uint64_t allocation = 0;  ///< number of the rank's allocation; 0: in memory that they cannot map
  std::uint64_t offset = 0;
  std::uint64_t bytes = 0;  ///< of the whole allocation
  std::uint64_t inode = 0;
  std::int64_t fd = -1;

  bool is_mapped() const noexcept { return allocation != 0; }
  bool is_reachable() const noexcept { return is_mapped() || address != 0; }
};

/// Where a rank's input and output lie.
struct BufferHandles {
  BufferHandle input;
  BufferHandle output;
};

/// What a rank posts when it enters a collective. `number` is published_number() of the collective's, written last.
struct alignas(kCacheLine) PublishedCall {
  std::atomic<std::uint64_t> number;
  std::uint64_t digest;
  std::byte body[kPublishedBytes];  ///< the input, or BufferHandles
  KeptHeader header;                ///< for messages to people
};

/// Of a rank that takes part in a collective, or one that says that nobody shall.
constexpr std::uint64_t published_number(std::uint64_t collective, bool declines) noexcept {
  return (collective + 1) * 2 + (declines ? 1 : 0);
}
constexpr bool declines(std::uint64_t posted) noexcept { return posted % 2 == 1; }

/// Chunks with which a rank is done. One that has nothing to do with some counts them at once.
struct Counters {
  alignas(kCacheLine) std::atomic<std::uint64_t> filled;  ///< its input is staged
  alignas(kCacheLine) std::atomic<std::uint64_t> moved;   ///< its pieces are read, and lie where they belong or staged
  alignas(kCacheLine) std::atomic<std::uint64_t> taken;   ///< what it takes of others' results is in its output
};

struct RankBlock {
  /// As the rank tells: of collectives before this number it reads no post any more.
  alignas(kCacheLine) std::atomic<std::uint64_t> left;

  /// The last collective that this rank let pass, and one: it never posts that. Others look when they wait long.
  alignas(kCacheLine) std::atomic<std::uint64_t> passed;

  // Written when they change, which is rare: others look at them as often as they poll.
  alignas(kCacheLine) std::atomic<std::int32_t> processor;  ///< on which the rank was when it last posted
  std::atomic<bool> has_failed;  ///< so that the rank's data in collectives it has not left may be anything
  std::atomic<bool> has_parted;  ///< the rank frees the communicator
  std::uint64_t identity;        ///< of the process: a process of another container may have its PID

  Counters counters;
  PublishedCall posts[kPublishedCalls];
};

/// How many chunks a rank can be ahead of those that read what it staged.
inline constexpr std::uint64_t kStagedChunks = 4;
inline constexpr std::size_t kChunkBytes = std::size_t{64} << 10;

/// A chunk has room for a cache line of every rank.
inline constexpr int kMostLocalRanks = static_cast<int>(kChunkBytes / kCacheLine);

/// What a rank stages for the others.
struct Staging {
  alignas(kCacheLine) std::byte inputs[kStagedChunks][kChunkBytes];
  std::byte results[kStagedChunks][kChunkBytes];
};

}  // namespace tutti::detail
