#include <tutti/io/buffer_pool.hpp>

#include <sys/mman.h>

#include <algorithm>
#include <cstdlib>
#include <mutex>
#include <new>
#include <utility>
#include <vector>

namespace tutti::io {

namespace {

constexpr std::size_t kHugePage = std::size_t{2} << 20;

std::byte* allocate(std::size_t bytes) {
  const std::size_t alignment = bytes >= kHugePage ? kHugePage : kLineBytes;
  const std::size_t rounded = rounded_to_lines(bytes);
  void* memory = nullptr;  // aligned_alloc() would want a size that is a multiple of the alignment
  if (::posix_memalign(&memory, alignment, rounded == 0 ? kLineBytes : rounded) != 0) throw std::bad_alloc();
  // A hint: large pages make less work for the processor's address translation where rows lie far apart.
  if (alignment == kHugePage) static_cast<void>(::madvise(memory, rounded, MADV_HUGEPAGE));
  return static_cast<std::byte*>(memory);
}

}  // namespace

struct PooledBuffer::Store {
  Store(std::size_t size, std::size_t most, std::size_t in_slab) : bytes(size), most_idle(most), slab(in_slab) {
    idle.reserve(most);
  }
  ~Store() {
    for (std::byte* memory : slab == 1 ? idle : slabs) std::free(memory);
  }
  Store(const Store&) = delete;
  Store& operator=(const Store&) = delete;

  const std::size_t bytes;
  const std::size_t most_idle;  // where buffers are released one by one
  const std::size_t slab;       // buffers that are allocated together; 1: each is released by itself
  std::mutex mutex;
  std::vector<std::byte*> idle;  // the last one is the warmest
  std::vector<std::byte*> slabs;
  std::size_t in_use = 0;
  std::size_t allocated = 0;
};

PooledBuffer::~PooledBuffer() {
  if (store_ == nullptr) return;
  const std::lock_guard lock(store_->mutex);
  --store_->in_use;
  if (store_->slab > 1 || store_->idle.size() < store_->most_idle)
    store_->idle.push_back(data_);
  else
    std::free(data_);
}

std::span<std::byte> PooledBuffer::bytes() const noexcept {
  return store_ == nullptr ? std::span<std::byte>() : std::span(data_, store_->bytes);
}

BufferPool::BufferPool(std::size_t bytes, std::size_t most_idle)
    : BufferPool(std::make_shared<PooledBuffer::Store>(bytes, most_idle, 1)) {}

BufferPool BufferPool::in_slabs(std::size_t bytes) {
  constexpr std::size_t kSlabBytes = 2 * kHugePage;
  const std::size_t rounded = std::max(rounded_to_lines(bytes), kLineBytes);
  return BufferPool(std::make_shared<PooledBuffer::Store>(rounded, 0, std::max<std::size_t>(kSlabBytes / rounded, 2)));
}

PooledBuffer BufferPool::take() {
  PooledBuffer::Store& store = *store_;
  const std::lock_guard lock(store.mutex);
  if (store.idle.empty()) {
    std::byte* const memory = allocate(store.slab * store.bytes);
    if (store.slab > 1) {
      store.slabs.push_back(memory);
      store.idle.reserve(store.slabs.size() * store.slab);
    }
    for (std::size_t i = store.slab; i-- > 0;) store.idle.push_back(memory + i * store.bytes);
    store.allocated += store.slab;
  }
  std::byte* const memory = store.idle.back();
  store.idle.pop_back();
  ++store.in_use;
  return {store_, memory};
}

BufferPool::Counts BufferPool::counts() const {
  const std::lock_guard lock(store_->mutex);
  return {.in_use = store_->in_use, .idle = store_->idle.size(), .allocated = store_->allocated};
}

}  // namespace tutti::io
