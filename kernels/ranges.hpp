// Containers, arrays and spans as data of collectives and messages.
#pragma once

#include <tutti/kernels/cpp20.hpp>

#include <concepts>
#include <ranges>
#include <type_traits>

#include <tutti/kernels/buffer.hpp>

#pragma GCC visibility push(default)
namespace tutti {

/// Elements that lie one after the other: std::vector, std::array, an array, std::span, Allocation. Of temporaries only
/// views, which own nothing: what a temporary owns may be gone before an operation is complete.
template <class R>
concept ReadableRange = std::ranges::contiguous_range<R> && std::ranges::sized_range<R> &&
    Element<std::ranges::range_value_t<R>> &&(std::is_lvalue_reference_v<R> || std::ranges::borrowed_range<R>);

/// The same, of elements that are not const.
template <class R>
concept WritableRange =
    ReadableRange<R> && !std::is_const_v<std::remove_reference_t<std::ranges::range_reference_t<R>>>;

/// A ReadableRange of the elements that `Other` has.
template <class R, class Other>
concept ReadableLike =
    ReadableRange<R> && std::same_as<std::ranges::range_value_t<R>, std::ranges::range_value_t<Other>>;

namespace detail {

template <class R>
constexpr ConstBuffer readable(R& range) noexcept {
  return {std::ranges::data(range), std::ranges::size(range), dtype_of<std::ranges::range_value_t<R&>>};
}

template <class R>
constexpr Buffer writable(R& range) noexcept {
  return {std::ranges::data(range), std::ranges::size(range), dtype_of<std::ranges::range_value_t<R&>>};
}

}  // namespace detail
}  // namespace tutti
#pragma GCC visibility pop
