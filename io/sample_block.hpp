// Samples in memory, field by field: what importers give and the writer of shards takes.
#pragma once

#include <tutti/kernels/cpp20.hpp>

#include <cstddef>
#include <cstdint>
#include <vector>

#include <tutti/io/sparse.hpp>

namespace tutti::io {

struct SampleBlock {
  explicit SampleBlock(std::size_t fields) : data(fields), sparse(fields) {}

  std::uint64_t samples = 0;
  std::vector<std::vector<std::byte>> data;  ///< per field: samples x sample_bytes; empty for a sparse one
  std::vector<SparseRows> sparse;            ///< per field: as many rows as samples; empty for a dense one

  void clear() noexcept {
    samples = 0;
    for (auto& bytes : data) bytes.clear();
    for (auto& rows : sparse) rows.clear();
  }
};

}  // namespace tutti::io
