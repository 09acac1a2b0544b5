#include <tutti/io/buffer_pool.hpp>

#include <sys/mman.h>

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
  // aligned_alloc() of glibc takes sizes that are no multiple of the alignment.
  void* memory = std::aligned_alloc(alignment, rounded == 0 ? kLineBytes : rounded);
  if (memory == nullptr) throw std::bad_alloc();
  // A hint: large pages make less work for the processor's address translation where rows lie far apart.
  if (alignment == kHugePage) static_cast<void>(::madvise(memory, rounded, MADV_HUGEPAGE));
  return static_cast<std::byte*>(memory);
}

}  // namespace

struct PooledBuffer::Store {
  Store(std::size_t size, std::size_t most) : bytes(size), most_idle(most) { idle.reserve(most); }
  ~Store() {
    for (std::byte* memory : idle) std::free(memory);
  }
  Store(const Store&) = delete;
  Store& operator=(const Store&) = delete;

  const std::size_t bytes;
  const std::size_t most_idle;
  std::mutex mutex;
  std::vector<std::byte*> idle;  // the last one is the warmest
  std::size_t in_use = 0;
  std::size_t allocated = 0;
};

PooledBuffer::~PooledBuffer() {
  if (store_ == nullptr) return;
  const std::lock_guard lock(store_->mutex);
  --store_->in_use;
  if (store_->idle.size() < store_->most_idle)
    store_->idle.push_back(data_);
  else
    std::free(data_);
}

std::span<std::byte> PooledBuffer::bytes() const noexcept {
  return store_ == nullptr ? std::span<std::byte>() : std::span(data_, store_->bytes);
}

BufferPool::BufferPool(std::size_t bytes, std::size_t most_idle)
    : store_(std::make_shared<PooledBuffer::Store>(bytes, most_idle)) {}

PooledBuffer BufferPool::take() {
  PooledBuffer::Store& store = *store_;
  std::byte* memory = nullptr;
  {
    const std::lock_guard lock(store.mutex);
    if (!store.idle.empty()) {
      memory = store.idle.back();
      store.idle.pop_back();
      ++store.in_use;
      return {store_, memory};
    }
  }
  memory = allocate(store.bytes);
  const std::lock_guard lock(store.mutex);
  ++store.allocated;
  ++store.in_use;
  return {store_, memory};
}

BufferPool::Counts BufferPool::counts() const {
  const std::lock_guard lock(store_->mutex);
  return {.in_use = store_->in_use, .idle = store_->idle.size(), .allocated = store_->allocated};
}

}  // namespace tutti::io
