// Decoded and verified chunks of a data set. Where all of it fits the cache's bytes, every chunk is kept and found
// without a lock. Elsewhere those are dropped first whose samples have all been used, the last one before others: it
// will not be wanted before the next epoch, and its memory, which the next chunk gets, is warm. After them it is the
// least recently used ones.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <list>
#include <memory>
#include <mutex>
#include <span>
#include <unordered_map>
#include <vector>

#include <tutti/io/buffer_pool.hpp>
#include <tutti/io/dataset.hpp>
#include <tutti/io/detail/shard.hpp>
#include <tutti/io/sparse.hpp>

namespace tutti::io {

/// One chunk, all fields: sample i of a dense field f is at data[offset(f) + i * sample_bytes], of a sparse one it is
/// row i of rows[f].
struct Chunk {
  const std::byte* data = nullptr;
  std::vector<SparseRows> rows;  ///< by field; empty where no field is sparse
  PooledBuffer memory;
};

/// Where a sample lies.
struct Location {
  std::uint64_t chunk = 0;  ///< counted through all shards
  std::uint64_t index = 0;  ///< in the chunk
};

/// Reads chunks on demand. Of any number of threads: one that wants what another is reading waits for it.
class ChunkCache {
 public:
  /// `dataset` must outlive the cache.
  ChunkCache(const Dataset& dataset, std::size_t bytes);

  /// Requires id < dataset.size().
  Location locate(std::uint64_t id) const noexcept;

  /// Where the samples of a dense field begin in each chunk.
  std::size_t offset(std::size_t field) const noexcept { return offsets_[field]; }

  /// The data of a chunk that stays, or null: the data set does not fit, or the chunk has not been asked for yet.
  const std::byte* kept(std::uint64_t chunk) const noexcept {
    return kept_.empty() ? nullptr : kept_[chunk].load(std::memory_order_acquire);
  }

  /// All chunks are kept, and have been read.
  bool is_complete() const noexcept { return !kept_.empty() && loaded_.load(std::memory_order_acquire) == chunks_; }

  /// For the use of so many of its samples. Dropped or not, a chunk is there as long as its user holds it.
  /// \throws DataError.
  std::shared_ptr<const Chunk> chunk(std::uint64_t number, std::size_t samples);

  /// Has the system read a chunk that is not in memory, unless chunks come as fast as from the page cache anyway. A
  /// hint: errors are those of chunk().
  void prefetch(std::uint64_t number) noexcept;

 private:
  struct Entry {
    std::uint64_t number;
    std::size_t bytes;
    std::uint64_t unused;                // samples, counted anew when all have been used
    std::shared_ptr<const Chunk> chunk;  // null while a thread reads it
  };

  struct Shard {
    std::shared_ptr<const ShardReader> reader;  // null while closed
    std::uint64_t first_chunk = 0;
    std::uint64_t last_use = 0;
  };

  std::size_t chunk_bytes() const noexcept { return offsets_.back(); }
  std::size_t shard_of(std::uint64_t chunk) const noexcept;
  std::uint64_t samples_in(std::uint64_t chunk) const noexcept;
  std::shared_ptr<const ShardReader> reader(std::size_t shard);
  std::shared_ptr<const Chunk> load(std::uint64_t number);
  void make_room(std::size_t bytes);
  void use(std::list<Entry>::iterator entry, std::size_t samples);

  const Dataset& dataset_;
  std::vector<std::uint64_t> first_samples_;  // by shard
  std::vector<Shard> shards_;
  std::uint64_t chunks_ = 0;
  const std::size_t capacity_;
  std::vector<std::size_t> offsets_;                 // by field, and what all dense fields take together
  std::vector<std::atomic<const std::byte*>> kept_;  // empty if not all fit
  std::atomic<std::uint64_t> loaded_ = 0;
  std::atomic<int> hints_ = 0;  // how many are still to be given: the last chunks came slowly
  BufferPool pool_;

  std::mutex mutex_;  // guards what follows
  std::condition_variable read_;
  std::list<Entry> entries_;  // to be dropped from the end
  std::unordered_map<std::uint64_t, std::list<Entry>::iterator> index_;
  std::size_t used_ = 0;  // bytes of all entries

  std::mutex readers_mutex_;  // guards the readers in shards_
  std::size_t most_open_;
  std::size_t open_ = 0;
  std::uint64_t clock_ = 0;
};

}  // namespace tutti::io
