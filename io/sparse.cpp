#include <tutti/io/sparse.hpp>

#include <fmt/core.h>

#include <algorithm>
#include <cstring>

namespace tutti::io {

void append_rows(const SparseRows& rows, std::size_t first, std::size_t count, std::size_t value_bytes,
                 SparseRows& out) {
  if (count == 0) return;
  const std::uint64_t begin = first == 0 ? 0 : rows.row_ends[first - 1];
  const std::uint64_t end = rows.row_ends[first + count - 1];
  const std::uint64_t before = out.row_ends.empty() ? 0 : out.row_ends.back();
  const auto at = [](const auto& values, std::uint64_t index) {
    return values.begin() + static_cast<std::ptrdiff_t>(index);
  };
  const std::size_t old = out.row_ends.size();
  out.row_ends.resize(old + count);  // not reserve(), which would copy them all each time
  for (std::size_t i = 0; i < count; ++i) out.row_ends[old + i] = before + rows.row_ends[first + i] - begin;
  out.columns.insert(out.columns.end(), at(rows.columns, begin), at(rows.columns, end));
  out.values.insert(out.values.end(), at(rows.values, begin * value_bytes), at(rows.values, end * value_bytes));
}

void densify(const SparseRows& rows, std::size_t row, const Field& field, std::span<std::byte> out) {
  const std::size_t bytes = size_of(field.dtype);
  std::fill(out.begin(), out.end(), std::byte{0});
  for (std::uint64_t i = row == 0 ? 0 : rows.row_ends[row - 1]; i < rows.row_ends[row]; ++i)
    std::memcpy(out.data() + rows.columns[i] * bytes, rows.values.data() + i * bytes, bytes);
}

InvalidRow describe_invalid_rows(const SparseRows& rows, const Field& field) {
  const std::uint64_t width = field.shape.empty() ? 0 : field.shape.front();
  std::uint64_t begin = 0;
  for (std::size_t row = 0; row < rows.row_ends.size(); ++row) {
    const std::uint64_t end = rows.row_ends[row];
    if (end < begin || end > rows.columns.size())
      return {row,
              fmt::format("its row ends at element {} of {}, the one before at {}", end, rows.columns.size(), begin)};
    for (std::uint64_t i = begin; i < end; ++i) {
      if (rows.columns[i] >= width)
        return {row, fmt::format("column {} is out of range: there are {} columns", rows.columns[i], width)};
      if (i > begin && rows.columns[i] <= rows.columns[i - 1])
        return {row, fmt::format("column {} follows column {}", rows.columns[i], rows.columns[i - 1])};
    }
    begin = end;
  }
  const std::size_t last = rows.row_ends.empty() ? 0 : rows.row_ends.size() - 1;
  if (begin != rows.columns.size())
    return {last, fmt::format("rows end at element {} of {}", begin, rows.columns.size())};
  if (rows.values.size() != rows.columns.size() * size_of(field.dtype))
    return {last, fmt::format("{} bytes are not the values of {} columns", rows.values.size(), rows.columns.size())};
  return {};
}

}  // namespace tutti::io
