// Reads a data set whole, to find damage and to count what is in it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>

#include <tutti/io/dataset.hpp>

namespace tutti::io {

/// What one shard holds.
struct ShardContent {
  std::uint64_t samples = 0;
  std::uint64_t chunks = 0;
  std::uint64_t data_bytes = 0;  ///< of its samples
  std::uint64_t file_bytes = 0;  ///< on disk, with all overhead
  /// Of the classes that occur: a data set may state more classes than memory could count.
  std::map<std::size_t, std::uint64_t> samples_of_class;
};

/// Reads every chunk of shard `index`, verifying checksums and labels. \throws DataError naming file, field, chunk and
/// samples.
ShardContent check_shard(const Dataset& dataset, std::size_t index);

/// The same, reading (and verifying) no field but the labels.
ShardContent survey_shard(const Dataset& dataset, std::size_t index);

}  // namespace tutti::io
