// Memory of operations, kept for the next one, so that an operation like one before needs no new memory.
#pragma once

#include <cstddef>
#include <memory>
#include <vector>

#include <tutti/collectives/system/available_memory.hpp>

namespace tutti::detail {

/// Gives back what MemoryPools allocated.
struct FreeScratch {
  void operator()(std::byte* memory) const noexcept;
};

/// Memory that is only written before it is read.
struct Scratch {
  std::unique_ptr<std::byte[], FreeScratch> memory;
  std::size_t capacity = 0;
};

/// Memory that local ranks cannot map: zeroed, aligned to 64 bytes, and there. \throws OutOfMemory
std::shared_ptr<void> allocate_plain(std::size_t bytes, Claims claims = {});

struct RequestMemory;

/// Those of one communicator. What is acquired is released to the same pools, or never.
class MemoryPools {
 public:
  MemoryPools() = default;
  MemoryPools(const MemoryPools&) = delete;
  MemoryPools& operator=(const MemoryPools&) = delete;
  ~MemoryPools();

  std::shared_ptr<RequestMemory> acquire_operation();
  void release_operation(std::shared_ptr<RequestMemory> memory) noexcept;

  /// At least so many bytes. A few pieces are kept, the largest ones. \throws OutOfMemory, std::bad_alloc
  Scratch acquire_scratch(std::size_t bytes);
  void release_scratch(Scratch scratch) noexcept;

  /// For task objects, of kTaskBytes.
  static constexpr std::size_t kTaskBytes = 768;
  void* acquire_task();
  void release_task(void* memory) noexcept { idle_tasks_.push_back(memory); }

 private:
  std::vector<Scratch> idle_scratch_;
  std::vector<void*> idle_tasks_;
  std::vector<std::shared_ptr<RequestMemory>> idle_operations_;
};

}  // namespace tutti::detail
