// Reads the samples of one rank, batch by batch, ahead of their use in threads of its own.
#pragma once

#include <tutti/kernels/cpp20.hpp>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include <tutti/io/augment.hpp>
#include <tutti/io/buffer_pool.hpp>
#include <tutti/io/dataset.hpp>
#include <tutti/io/sampler.hpp>

namespace tutti::io {

/// This rank's part of one global batch. Field f of the i-th sample is at data[f][i * n], n being the field's
/// sample_bytes() or what a partition by features leaves of it. Its memory goes back to the loader with it.
struct Batch {
  std::uint64_t epoch = 0;
  std::uint64_t index = 0;                 ///< of the global batch within the epoch
  std::uint64_t global_samples = 0;        ///< samples in the global batch, over all ranks
  std::vector<std::uint64_t> ids;          ///< of this rank's samples, in order; may be empty
  std::vector<std::span<std::byte>> data;  ///< per field of the data set, each aligned to 64 bytes
  PooledBuffer memory;                     ///< what `data` are parts of
};

/// What of a global batch a rank gets.
enum class Partition : std::uint8_t {
  samples,   ///< some of its samples, whole
  features,  ///< all of its samples, and of each a block of the columns
};

struct LoaderOptions {
  // ---- What is read
  Order order = Order::contiguous;
  std::uint64_t seed = 0;
  std::size_t window_bytes = std::size_t{64} << 20;  ///< samples that are shuffled among each other (two_level)
  std::uint64_t global_batch = 1;  ///< samples per step over all ranks; the last batch of an epoch may be smaller
  int rank = 0;
  int ranks = 1;
  int shards = 0;  ///< a batch is cut into this many parts of fixed shape, shared out to ranks; 0: one each
  Partition partition = Partition::samples;
  std::vector<std::string> cut_fields{};  ///< whose columns a partition by features shares out; empty: all but scalars
  std::uint64_t epochs = 1;               ///< reading ends before this epoch
  std::uint64_t first_epoch = 0;          ///< reading starts at this batch of this epoch
  std::uint64_t first_batch = 0;
  Augmentation augment{};  ///< what the reading threads do to pictures

  // ---- How fast
  std::size_t prefetch = 4;                          ///< batches read ahead
  std::size_t cache_bytes = std::size_t{256} << 20;  ///< decoded chunks kept in memory
  int threads = 1;                                   ///< that read, decode and copy
  std::size_t idle_batches = 16;  ///< memory of that many batches, and of `prefetch` more, is kept when nobody uses it
};

/// Iterates over the global batches of one or more epochs; every rank gets its part of each. Every sample is read
/// exactly once an epoch over all ranks (but for Order::bootstrap and Partition::features); every chunk's checksum is
/// verified before its first sample is handed out.
class Loader {
 public:
  /// \throws InvalidArgument for options out of range. Starts the reading threads. `dataset` must outlive the loader;
  /// batches may outlive both.
  Loader(const Dataset& dataset, const LoaderOptions& options);
  ~Loader();
  Loader(const Loader&) = delete;
  Loader& operator=(const Loader&) = delete;

  /// The next batch, or nothing after the last. \throws DataError naming file, field and samples: a checksum that does
  /// not match, a file that became unreadable. A label outside 0 .. classes-1 is one too, naming file and sample.
  std::optional<Batch> next();

  std::uint64_t batches_per_epoch() const noexcept;

  /// The elements of each sample of a field that this rank gets: all, or its block of columns.
  Range columns(std::size_t field) const;

  /// Memory of batches: in the queue, with the caller, and idle.
  BufferPool::Counts buffers() const;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace tutti::io
