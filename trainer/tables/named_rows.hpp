// Tables whose rows have a name: models, optimizers, exchange strategies. What a configuration may name is listed from
// the same rows.
#pragma once

#include <array>
#include <cstddef>
#include <string>
#include <string_view>

#include <tutti/kernels/error.hpp>
#include <tutti/kernels/text.hpp>

namespace tutti::trainer {

template <class Row, std::size_t N>
constexpr std::array<std::string_view, N> names_of(const Row (&rows)[N]) noexcept {
  std::array<std::string_view, N> names;
  for (std::size_t i = 0; i < N; ++i) names[i] = rows[i].name;
  return names;
}

/// The row with that name. `what` is the table's content in the singular: "model".
/// \throws InvalidArgument "unknown model 'x'; known: a, b"
template <class Row, std::size_t N>
const Row& row_named(const Row (&rows)[N], std::string_view what, std::string_view name) {
  std::string known;
  for (const Row& row : rows) {
    if (row.name == name) return row;
    known += text(known.empty() ? "" : ", ", row.name);
  }
  throw InvalidArgument(text("unknown ", what, " '", name, "'; known: ", known));
}

}  // namespace tutti::trainer
