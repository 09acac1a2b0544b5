// Reads samples of a data set one by one, as they are stored: sparse ones as rows.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>

#include <tutti/io/dataset.hpp>
#include <tutti/io/sample_block.hpp>

namespace tutti::io {

/// For what goes through a data set once, or picks some samples: Loader is for training. Any order gives the same; by
/// ascending id it reads each chunk once.
class SampleReader {
 public:
  /// `dataset` must outlive it. Chunks of about `cache_bytes` are kept, at least one.
  explicit SampleReader(const Dataset& dataset, std::size_t cache_bytes = std::size_t{256} << 20);
  ~SampleReader();
  SampleReader(const SampleReader&) = delete;
  SampleReader& operator=(const SampleReader&) = delete;

  /// Adds sample `id` to `block`, which has the data set's fields. Requires id < dataset.size(). \throws DataError
  /// naming file, field, chunk and samples.
  void append(std::uint64_t id, SampleBlock& block);

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace tutti::io
