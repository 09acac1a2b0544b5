// A view of typed memory whose type has been erased: what every collective and kernel works on.
//
// Counts are elements everywhere. A Buffer owns nothing and is passed by value.
#pragma once

#include <tutti/kernels/cpp20.hpp>

#include <cstddef>
#include <cstdint>
#include <span>
#include <type_traits>

#include <tutti/kernels/dtype.hpp>

#pragma GCC visibility push(default)
namespace tutti {

/// Where memory lies, and so who may load and store it.
enum class MemorySpace : std::uint8_t { host, device };

/// Read-only view of `count` elements of `dtype` at `data`.
struct ConstBuffer {
  const void* data = nullptr;
  std::size_t count = 0;
  DType dtype = DType::u8;
  MemorySpace space = MemorySpace::host;

  constexpr ConstBuffer() = default;
  constexpr ConstBuffer(const void* d, std::size_t n, DType t, MemorySpace s = MemorySpace::host) noexcept
      : data(d), count(n), dtype(t), space(s) {}
  template <class T>
  requires Element<std::remove_const_t<T>>
  explicit constexpr ConstBuffer(std::span<T> span) noexcept
      : data(span.data()), count(span.size()), dtype(dtype_of<std::remove_const_t<T>>) {}

  constexpr std::size_t size_bytes() const noexcept { return count * size_of(dtype); }

  /// Elements [first, first + n). Not checked.
  ConstBuffer slice(std::size_t first, std::size_t n) const noexcept {
    return {static_cast<const std::byte*>(data) + first * size_of(dtype), n, dtype, space};
  }
};

/// Writable view of `count` elements of `dtype` at `data`.
struct Buffer {
  void* data = nullptr;
  std::size_t count = 0;
  DType dtype = DType::u8;
  MemorySpace space = MemorySpace::host;

  constexpr Buffer() = default;
  constexpr Buffer(void* d, std::size_t n, DType t, MemorySpace s = MemorySpace::host) noexcept
      : data(d), count(n), dtype(t), space(s) {}
  template <Element T>
  explicit constexpr Buffer(std::span<T> span) noexcept : data(span.data()), count(span.size()), dtype(dtype_of<T>) {}

  // NOLINTNEXTLINE(google-explicit-constructor): a writable view is a readable one
  constexpr operator ConstBuffer() const noexcept { return {data, count, dtype, space}; }

  constexpr std::size_t size_bytes() const noexcept { return count * size_of(dtype); }

  /// Elements [first, first + n). Not checked.
  Buffer slice(std::size_t first, std::size_t n) const noexcept {
    return {static_cast<std::byte*>(data) + first * size_of(dtype), n, dtype, space};
  }
};

}  // namespace tutti
#pragma GCC visibility pop
