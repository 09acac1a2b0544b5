// What makes a batch: which samples of which chunks go where in it, and how they are copied there.
#pragma once

#include <cstddef>
#include <cstdint>
#include <exception>
#include <optional>
#include <span>
#include <vector>

#include <tutti/io/augment.hpp>
#include <tutti/io/buffer_pool.hpp>
#include <tutti/io/dataset.hpp>
#include <tutti/io/detail/chunk_cache.hpp>
#include <tutti/io/loader.hpp>
#include <tutti/io/sampler.hpp>

namespace tutti::io {

/// One sample of a batch.
struct Wanted {
  std::uint64_t chunk;
  std::uint64_t index;     ///< in the chunk
  std::uint64_t position;  ///< in the batch
};

/// A batch on its way. Threads fill its slices, which share no sample.
struct PlannedBatch {
  Batch batch;
  std::vector<Wanted> wanted;          ///< by chunk, unless all chunks are in memory: a slice reads each chunk once
  std::vector<std::size_t> slices{0};  ///< where in `wanted` each begins, and its end
  std::size_t next_slice = 0;          ///< that no thread has taken yet
  std::size_t filled_slices = 0;
  std::size_t failed_slice = ~std::size_t{0};  ///< the first one that failed, and why
  std::exception_ptr failure;

  std::size_t count() const noexcept { return slices.size() - 1; }
  bool is_started() const noexcept { return next_slice > 0; }
  bool is_filled() const noexcept { return filled_slices == count(); }
};

/// Makes plans and carries them out. Its functions may be called by several threads at a time, for different batches or
/// slices.
class BatchMaker {
 public:
  /// \throws InvalidArgument for options that do not fit the data set. `dataset` must outlive it.
  BatchMaker(const Dataset& dataset, const LoaderOptions& options);

  PlannedBatch plan(std::uint64_t epoch, std::uint64_t index);

  /// Reads the chunks of a slice that are not in memory, and copies its samples. \throws DataError.
  void fill(PlannedBatch& planned, std::size_t slice);

  std::uint64_t batches() const noexcept { return batches_; }
  Range columns(std::size_t field) const { return columns_.at(field); }
  BufferPool::Counts buffers() const { return pool_.counts(); }

 private:
  // What is copied of a field.
  struct Cut {
    std::size_t stride;  // bytes of a sample in its chunk
    std::size_t offset;  // of what is copied in it
    std::size_t bytes;
    std::size_t in_chunk;  // where the field begins in a chunk
    bool sparse;
  };

  // A chunk in memory, held if the cache may drop it.
  struct Source {
    const std::byte* data = nullptr;
    const SparseRows* rows = nullptr;
    std::shared_ptr<const Chunk> held;
  };

  Range own_positions(std::uint64_t index) const noexcept;
  std::size_t batch_bytes() const;
  void cut_slices(PlannedBatch& planned, bool anywhere) const;
  void prefetch(std::span<const Wanted> wanted) noexcept;
  Source source_of(std::span<const Wanted> wanted, std::size_t index, const Source& before);
  void fetch(const Wanted& sample, const std::byte* data) const noexcept;
  void copy_sample(const Source& source, const Wanted& sample, Batch& batch) const;

  const Dataset& dataset_;
  const LoaderOptions options_;
  const std::uint64_t batches_;
  const Sampler sampler_;
  ChunkCache cache_;
  std::vector<Range> columns_;  // by field
  std::vector<Cut> cuts_;       // by field
  const std::optional<Augmenter> augmenter_;
  BufferPool pool_;
};

}  // namespace tutti::io
