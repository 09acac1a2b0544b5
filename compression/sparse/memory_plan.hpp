// One piece of memory cut into arrays.
#pragma once

#include <cstddef>
#include <span>

namespace tutti::detail {

/// Used twice with the same arrays: without memory it counts the bytes, with it it sets them. Each array begins a line.
class MemoryPlan {
 public:
  explicit MemoryPlan(std::byte* memory = nullptr) noexcept : memory_(memory) {}

  template <class T>
  void place(std::span<T>& array, std::size_t count) noexcept {
    if (memory_ != nullptr) array = {reinterpret_cast<T*>(memory_ + bytes_), count};
    bytes_ += (count * sizeof(T) + kLineBytes - 1) / kLineBytes * kLineBytes;
  }

  std::size_t bytes() const noexcept { return bytes_; }

 private:
  static constexpr std::size_t kLineBytes = 64;
  std::byte* memory_;
  std::size_t bytes_ = 0;
};

}  // namespace tutti::detail
