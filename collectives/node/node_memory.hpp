// The memory that a process allocates for collectives: its node-mates can map it.
#pragma once

#include <sys/types.h>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>

#include <tutti/collectives/node/board.hpp>
#include <tutti/collectives/node/shared_memory.hpp>

namespace tutti::detail {

/// Which allocations of a process are alive, for its node-mates, who keep them mapped.
struct Directory {
  static constexpr std::size_t kMost = 4096 / sizeof(std::uint64_t) - 2;
  std::uint64_t identity;                   ///< of the process
  std::atomic<std::uint64_t> freed;         ///< how many have been
  std::atomic<std::uint64_t> alive[kMost];  ///< allocation n is alive if its number stands at n % kMost
};

/// Allocations of this process, of one communicator and its parts. Thread-safe.
class NodeMemory : public std::enable_shared_from_this<NodeMemory> {
 public:
  /// Null if there is no shared memory to be had.
  static std::shared_ptr<NodeMemory> make();

  /// Zeroed, aligned to a page. Null if there are as many allocations, or descriptors, as there can be. \throws
  /// std::bad_alloc
  std::shared_ptr<void> allocate(std::size_t bytes);

  /// Of bytes [data, data + bytes); without allocation if they lie in other memory.
  Place find(const void* data, std::size_t bytes) const;

  const SharedMemory& directory_memory() const noexcept { return directory_memory_; }
  std::uint64_t identity() const noexcept { return directory().identity; }

 private:
  struct Allocation {
    std::uint64_t number;
    SharedMemory memory;
  };
  explicit NodeMemory(SharedMemory directory);
  Directory& directory() const noexcept { return *reinterpret_cast<Directory*>(directory_memory_.data()); }
  std::uint64_t take_number() noexcept;
  void free(std::byte* data) noexcept;

  mutable std::mutex mutex_;
  SharedMemory directory_memory_;
  std::map<const std::byte*, Allocation> allocations_;  // by where they begin
  std::uint64_t last_number_ = 0;
};

/// The allocations of another process of the node.
class MateMemory {
 public:
  /// \throws std::bad_alloc if its memory cannot be mapped, or is another's
  MateMemory(pid_t process, int directory_fd, std::uint64_t inode, std::uint64_t identity);

  /// Where a place of the other process lies in this one. \throws std::bad_alloc if it cannot be mapped, or the other
  /// has freed it.
  std::byte* address_of(const Place& place);

  /// Lets go of what the other has freed, of which no operation under way may have an address.
  void forget_freed() noexcept;

 private:
  const Directory& directory() const noexcept { return *reinterpret_cast<const Directory*>(directory_memory_.data()); }
  bool is_alive(std::uint64_t allocation) const noexcept {
    return directory().alive[allocation % Directory::kMost].load(std::memory_order_acquire) == allocation;
  }

  pid_t process_;
  SharedMemory directory_memory_;
  std::uint64_t freed_seen_ = 0;
  std::map<std::uint64_t, SharedMemory> mapped_;  // by the allocation's number
};

}  // namespace tutti::detail
