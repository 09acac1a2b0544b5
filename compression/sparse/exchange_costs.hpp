// Which of the two ways to exchange lists is predicted to be faster.
#pragma once

#include <cstddef>

#include <tutti/collectives/selection/selection.hpp>

namespace tutti::detail {

/// Of the lists of all ranks.
struct ListTotals {
  std::size_t bytes = 0;     ///< of all lists together
  std::size_t longest = 0;   ///< bytes
  std::size_t elements = 0;  ///< of all lists together
  std::size_t universe = 0;
};

/// Elements that at least one list names, if each names others than the rest by chance.
double expected_union(const ListTotals& lists, std::size_t ranks) noexcept;

/// Whether owners who add up slices are predicted to be done before an all-gather of the lists. The same on all ranks.
bool slices_are_faster(Selector& selector, const ListTotals& lists);

}  // namespace tutti::detail
