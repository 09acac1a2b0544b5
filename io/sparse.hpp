// Sparse samples: the elements of each that are not zero, in compressed rows (CSR).
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

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

}  // namespace tutti::io
