// Names that people write: finding what one stands for, and saying which there are where it stands for nothing.
#pragma once

#include <algorithm>
#include <cstddef>
#include <functional>
#include <iterator>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <tutti/kernels/error.hpp>

namespace tutti {

/// Levenshtein's distance: insertions, deletions and replacements.
std::size_t edit_distance(std::string_view a, std::string_view b);

/// The name among `known` that is fewest edits away from `wanted`; empty if that is more than about a third of it.
std::string nearest_name(std::string_view wanted, std::span<const std::string> known);

/// "f64, f32, bf16"
std::string listed(std::span<const std::string> names);

/// "; did you mean 'f32'?" if there is a near one; empty otherwise.
std::string did_you_mean(std::string_view wanted, std::span<const std::string> known);

/// "unknown dtype 'f33'; did you mean 'f32'?", or, if none is near, "unknown dtype 'x'; known are f64, f32, bf16":
/// `what` is the noun.
std::string unknown_name(std::string_view what, std::string_view wanted, std::span<const std::string> known);

/// The names of `rows`, each of which `name_of` (a member or a function) gives.
template <class Rows, class NameOf>
std::vector<std::string> names_of(const Rows& rows, NameOf name_of) {
  std::vector<std::string> names;
  names.reserve(std::size(rows));
  for (const auto& row : rows) names.emplace_back(std::invoke(name_of, row));
  return names;
}

/// The one of `rows` whose name is `wanted`. \throws InvalidArgument as unknown_name() puts it.
template <class Rows, class NameOf>
const auto& find_named(const Rows& rows, std::string_view what, std::string_view wanted, NameOf name_of) {
  const auto found = std::find_if(std::begin(rows), std::end(rows), [&](const auto& row) {
    return std::string_view(std::invoke(name_of, row)) == wanted;
  });
  if (found == std::end(rows)) throw InvalidArgument(unknown_name(what, wanted, names_of(rows, name_of)));
  return *found;
}

}  // namespace tutti
