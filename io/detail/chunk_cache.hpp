// Decoded and verified chunks of a data set, the least recently used ones dropped when they exceed a number of bytes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <list>
#include <memory>
#include <unordered_map>
#include <vector>

#include <tutti/io/dataset.hpp>
#include <tutti/io/detail/shard.hpp>

namespace tutti::io {

/// One chunk, all fields: sample i of field f is at data[f].get() + i * sample_bytes.
struct Chunk {
  std::vector<std::unique_ptr<std::byte[]>> data;
};

/// Where a sample lies.
struct Location {
  std::size_t shard = 0;
  std::uint64_t chunk = 0;
  std::uint64_t index = 0;  ///< in the chunk
};

/// Reads chunks on demand. Of one thread.
class ChunkCache {
 public:
  /// `dataset` must outlive the cache.
  ChunkCache(const Dataset& dataset, std::size_t bytes);

  /// Requires id < dataset.size(). \throws DataError if the shard cannot be opened.
  Location locate(std::uint64_t id);

  /// Valid until the next call. The chunk asked for last is kept even if it alone exceeds the bytes. \throws DataError.
  const Chunk& chunk(std::size_t shard, std::uint64_t chunk);

 private:
  struct Entry {
    std::uint64_t key;
    std::size_t bytes;
    Chunk chunk;
  };

  struct Shard {
    std::unique_ptr<ShardReader> reader;  // null while closed
    std::uint64_t chunk_samples = 0;      // 0 until opened once
    std::uint64_t first_key = 0;          // key of its chunk 0
    std::uint64_t last_use = 0;
  };

  ShardReader& reader(std::size_t shard);
  Chunk load(std::size_t shard, std::uint64_t chunk, std::size_t& bytes);

  const Dataset& dataset_;
  std::size_t capacity_;
  std::size_t used_ = 0;
  std::vector<Shard> shards_;
  std::size_t most_open_;
  std::size_t open_ = 0;
  std::uint64_t clock_ = 0;
  std::list<Entry> entries_;  // most recently used first
  std::unordered_map<std::uint64_t, std::list<Entry>::iterator> index_;
};

}  // namespace tutti::io
