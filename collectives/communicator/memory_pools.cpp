// Memory that is used again; see memory_pools.hpp.
#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <new>
#include <utility>

#include <tutti/collectives/communicator/memory_pools.hpp>
#include <tutti/collectives/communicator/operation_memory.hpp>
#include <tutti/kernels/error.hpp>
#include <tutti/kernels/text.hpp>
#ifdef TUTTI_SIMULATED
#include <mpi.h>
#endif

namespace tutti::detail {
namespace {

#ifdef TUTTI_SIMULATED
// All ranks live in one process and share what is large, or it would not fit.
constexpr std::size_t kSharedBytes = std::size_t{64} << 10;
std::byte* allocate_scratch(std::size_t bytes) {
  return static_cast<std::byte*>(bytes < kSharedBytes ? std::malloc(bytes) : SMPI_SHARED_MALLOC(bytes));
}
#else
std::byte* allocate_scratch(std::size_t bytes) {
  require_memory(bytes);
  return new std::byte[bytes];
}
#endif

}  // namespace

#ifdef TUTTI_SIMULATED
void FreeScratch::operator()(std::byte* memory) const noexcept { SMPI_SHARED_FREE(memory); }
#else
void FreeScratch::operator()(std::byte* memory) const noexcept { delete[] memory; }
#endif

std::shared_ptr<void> allocate_plain(std::size_t bytes, Claims claims) {
  constexpr std::size_t kAlignment = 64;
  const std::size_t rounded = (bytes + kAlignment - 1) / kAlignment * kAlignment;
  if (rounded < bytes) throw OutOfMemory(text(bytes, " bytes of memory asked for, more than there are addresses"));
  MemoryClaim claim(rounded, std::move(claims));
  auto* const memory = static_cast<std::byte*>(std::aligned_alloc(kAlignment, rounded == 0 ? kAlignment : rounded));
  if (memory == nullptr) throw OutOfMemory(text(in_words(bytes), " of memory asked for, which the system refuses"));
  std::shared_ptr<void> owner(memory, std::free);
  constexpr std::size_t kPiece = std::size_t{8} << 20;
  for (std::size_t first = 0; first < rounded; first += kPiece) {
    const std::size_t count = std::min(kPiece, rounded - first);
    std::memset(memory + first, 0, count);
    claim.took(count);
  }
  return owner;
}

MemoryPools::~MemoryPools() {
  for (void* memory : idle_tasks_) ::operator delete(memory);
}

void* MemoryPools::acquire_task() {
  if (idle_tasks_.empty()) {
    idle_tasks_.reserve(idle_tasks_.capacity() + 1);  // releasing must not fail
    return ::operator new(kTaskBytes);
  }
  void* memory = idle_tasks_.back();
  idle_tasks_.pop_back();
  return memory;
}

std::shared_ptr<RequestMemory> MemoryPools::acquire_operation() {
  if (idle_operations_.empty()) return std::make_shared<RequestMemory>();
  std::shared_ptr<RequestMemory> memory = std::move(idle_operations_.back());
  idle_operations_.pop_back();
  return memory;
}

void MemoryPools::release_operation(std::shared_ptr<RequestMemory> memory) noexcept {
  idle_operations_.push_back(std::move(memory));
}

Scratch MemoryPools::acquire_scratch(std::size_t bytes) {
  auto best = idle_scratch_.end();
  for (auto it = idle_scratch_.begin(); it != idle_scratch_.end(); ++it) {
    if (it->capacity >= bytes && (best == idle_scratch_.end() || it->capacity < best->capacity)) best = it;
  }
  if (best == idle_scratch_.end()) {
    return {std::unique_ptr<std::byte[], FreeScratch>(allocate_scratch(bytes)), bytes};
  }
  Scratch scratch = std::move(*best);
  idle_scratch_.erase(best);
  return scratch;
}

void MemoryPools::release_scratch(Scratch scratch) noexcept {
  constexpr std::size_t kKept = 16;
  if (scratch.memory == nullptr) return;
  if (idle_scratch_.size() == kKept) {
    const auto smallest = std::min_element(idle_scratch_.begin(), idle_scratch_.end(),
                                           [](const Scratch& a, const Scratch& b) { return a.capacity < b.capacity; });
    if (smallest->capacity > scratch.capacity) return;
    idle_scratch_.erase(smallest);
  }
  idle_scratch_.push_back(std::move(scratch));
}

}  // namespace tutti::detail
