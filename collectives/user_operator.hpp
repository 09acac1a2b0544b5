// Reductions that the program defines: any associative function on elements of any size.
#pragma once

#include <tutti/kernels/cpp20.hpp>

#include <concepts>
#include <cstddef>
#include <cstring>
#include <functional>
#include <memory>
#include <string>
#include <type_traits>
#include <utility>

#include <tutti/kernels/buffer.hpp>

#pragma GCC visibility push(default)
namespace tutti {

/// A user-defined operator, for reduce, reduce_scatter and allreduce. All ranks give one with the same name,
/// element size and commutativity; that their functions do the same is not checked.
struct UserOperator {
  /// Stands in messages, and is compared between ranks.
  std::string name;

  /// Bytes of an element; the bytes of every buffer are a multiple of it.
  std::size_t element_bytes = 0;

  /// False: contributions are reduced strictly in rank order (grouped in any way: it must be associative).
  bool commutative = true;

  /// out[i] = left[i] op right[i] for `count` elements; `out` may be exactly `left` or exactly `right`. Memory has any
  /// alignment. It must not call tutti; what it throws leaves the collective, whose communicator is unusable then.
  std::function<void(const std::byte* left, const std::byte* right, std::byte* out, std::size_t count)> function;
};

/// The reduction by `function`, which takes two values of T and returns the third.
template <class T, std::invocable<const T&, const T&> Function>
requires std::is_trivially_copyable_v<T> std::shared_ptr<const UserOperator> make_user_operator(
    std::string name, Function function, bool commutative = true) {
  auto elementwise = [function = std::move(function)](const std::byte* left, const std::byte* right, std::byte* out,
                                                      std::size_t count) {
    for (std::size_t i = 0; i < count; ++i) {
      T a;
      T b;
      std::memcpy(&a, left + i * sizeof(T), sizeof(T));
      std::memcpy(&b, right + i * sizeof(T), sizeof(T));
      const T result = function(a, b);
      std::memcpy(out + i * sizeof(T), &result, sizeof(T));
    }
  };
  return std::make_shared<const UserOperator>(
      UserOperator{std::move(name), sizeof(T), commutative, std::move(elementwise)});
}

}  // namespace tutti
#pragma GCC visibility pop
