// Sparse samples: the elements of each that are not zero, in compressed rows (CSR).
#pragma once

#include <tutti/kernels/cpp20.hpp>

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include <tutti/io/dataset.hpp>

namespace tutti::io {

/// Rows of a sparse field, one after another. Row i has elements row_ends[i-1] (0 for the first) to row_ends[i]-1;
/// their columns ascend.
struct SparseRows {
  std::vector<std::uint64_t> row_ends;
  std::vector<std::uint32_t> columns;
  std::vector<std::byte> values;  ///< of the field's dtype, one per column

  void clear() noexcept {
    row_ends.clear();
    columns.clear();
    values.clear();
  }
};

/// Adds rows `first` to `first + count - 1` of `rows`, whose values take `value_bytes` each, to `out`.
void append_rows(const SparseRows& rows, std::size_t first, std::size_t count, std::size_t value_bytes,
                 SparseRows& out);

/// Row `row` as all elements of a sample, sample_bytes of `field`: zeros where there are no others.
void densify(const SparseRows& rows, std::size_t row, const Field& field, std::span<std::byte> out);

struct InvalidRow {
  std::size_t row = 0;
  std::string what;  ///< a clause; empty: nothing is wrong
};

/// What is wrong with rows of `field`: row ends that descend or do not count the elements, columns that do not ascend
/// or are not below its shape.
InvalidRow describe_invalid_rows(const SparseRows& rows, const Field& field);

}  // namespace tutti::io
