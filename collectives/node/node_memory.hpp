// The memory that a process allocates for collectives: its local ranks can map it.
#pragma once

#include <sys/types.h>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <string>

#include <tutti/collectives/node/rank_block.hpp>
#include <tutti/collectives/system/available_memory.hpp>
#include <tutti/collectives/system/shared_memory.hpp>

namespace tutti::detail {

/// Which allocations of a process are alive, for its local ranks, who keep them mapped.
struct Directory {
  static constexpr std::size_t kMost = 4096 / sizeof(std::uint64_t) - 2;
  std::uint64_t identity;                   ///< of the process
  std::atomic<std::uint64_t> freed;         ///< how many have been
  std::atomic<std::uint64_t> alive[kMost];  ///< allocation n is alive if its number stands at n % kMost
  std::atomic<std::uint64_t> claimed;       ///< bytes that the process takes at the moment
  MemoryGroups groups;                      ///< whose limits they count for
};

/// Allocations of this process, of one communicator and its parts. Thread-safe.
class NodeMemory : public std::enable_shared_from_this<NodeMemory> {
 public:
  /// Null if there is no shared memory to be had. `root` is that of memory_limits().
  static std::shared_ptr<NodeMemory> make(const std::string& root = {});

  /// Zeroed, aligned to a page. Null if there are as many allocations, or descriptors, as there can be. \throws
  /// OutOfMemory
  std::shared_ptr<void> allocate(std::size_t bytes);

  /// For memory that this process takes, beside what the others of the node do.
  Claims claims() const;

  /// The directory of another process of the node, whose claims count from now on. \throws std::bad_alloc if it cannot
  /// be mapped, or is another's
  std::shared_ptr<const Directory> directory_of(pid_t process, int fd, std::uint64_t inode, std::uint64_t identity);

  /// Of bytes [data, data + bytes); without allocation if they lie in other memory.
  BufferHandle find(const void* data, std::size_t bytes) const;

  const SharedMemory& directory_memory() const noexcept { return directory_memory_; }
  std::uint64_t identity() const noexcept { return directory().identity; }

 private:
  struct Allocation {
    std::uint64_t number;
    SharedMemory memory;
  };
  NodeMemory(SharedMemory directory, const std::string& root);
  Directory& directory() const noexcept { return *reinterpret_cast<Directory*>(directory_memory_.data()); }
  std::uint64_t take_number() noexcept;
  void free(std::byte* data) noexcept;

  mutable std::mutex mutex_;
  SharedMemory directory_memory_;
  std::map<const std::byte*, Allocation> allocations_;                // by where they begin
  std::map<std::uint64_t, std::shared_ptr<const Directory>> others_;  // by identity
  std::uint64_t last_number_ = 0;
  std::string root_;
};

/// The allocations of another process of the node.
class PeerMemory {
 public:
  PeerMemory(pid_t process, std::shared_ptr<const Directory> directory);

  /// Where a place of the other process lies in this one. \throws std::bad_alloc if it cannot be mapped, or the other
  /// has freed it.
  std::byte* address_of(const BufferHandle& place);

  /// Lets go of what the other has freed, of which no operation under way may have an address.
  void forget_freed() noexcept;

 private:
  bool is_alive(std::uint64_t allocation) const noexcept {
    return directory_->alive[allocation % Directory::kMost].load(std::memory_order_acquire) == allocation;
  }

  pid_t process_;
  std::shared_ptr<const Directory> directory_;
  std::uint64_t freed_seen_ = 0;
  std::map<std::uint64_t, SharedMemory> mapped_;  // by the allocation's number
};

}  // namespace tutti::detail
