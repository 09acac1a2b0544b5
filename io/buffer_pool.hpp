// Memory that is used again and again: for batches, and for chunks in the cache. A buffer goes back to its pool when it
// is destroyed, so that epochs after the first neither grow nor touch new pages.
#pragma once

#include <tutti/kernels/cpp20.hpp>

#include <cstddef>
#include <memory>
#include <span>
#include <utility>

namespace tutti::io {

/// What buffers, and fields in them, are aligned to: a line of the cache.
inline constexpr std::size_t kLineBytes = 64;

constexpr std::size_t rounded_to_lines(std::size_t bytes) noexcept {
  return (bytes + kLineBytes - 1) / kLineBytes * kLineBytes;
}

/// Bytes of a pool, aligned to 64 bytes (to 2 MiB where they are as many); undefined at first. May outlive the pool.
class PooledBuffer {
 public:
  PooledBuffer() = default;
  ~PooledBuffer();
  PooledBuffer(PooledBuffer&& other) noexcept : store_(std::move(other.store_)), data_(other.data_) {
    other.data_ = nullptr;
  }
  PooledBuffer& operator=(PooledBuffer&& other) noexcept {
    store_.swap(other.store_);
    std::swap(data_, other.data_);
    return *this;
  }
  PooledBuffer(const PooledBuffer&) = delete;
  PooledBuffer& operator=(const PooledBuffer&) = delete;

  std::span<std::byte> bytes() const noexcept;

 private:
  friend class BufferPool;
  struct Store;
  PooledBuffer(std::shared_ptr<Store> store, std::byte* data) noexcept : store_(std::move(store)), data_(data) {}

  std::shared_ptr<Store> store_;
  std::byte* data_ = nullptr;
};

/// Buffers of one size. Threads may take and give back at the same time.
class BufferPool {
 public:
  /// Up to `most_idle` buffers are kept when nobody uses them; beyond that, one that is given back is released.
  BufferPool(std::size_t bytes, std::size_t most_idle);

  /// For many small buffers that are kept: they are allocated in slabs of some MiB, on large pages where the system has
  /// them, and released with the pool alone.
  static BufferPool in_slabs(std::size_t bytes);

  /// \throws std::bad_alloc
  PooledBuffer take();

  struct Counts {
    std::size_t in_use = 0;
    std::size_t idle = 0;
    std::size_t allocated = 0;  ///< ever, from the system: while it stands still there are no new page faults
  };
  Counts counts() const;

 private:
  explicit BufferPool(std::shared_ptr<PooledBuffer::Store> store) noexcept : store_(std::move(store)) {}

  std::shared_ptr<PooledBuffer::Store> store_;
};

}  // namespace tutti::io
