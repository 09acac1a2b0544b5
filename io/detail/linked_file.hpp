// An HDF5 file of another program whose samples are read where they are: which of its datasets can be, and where they
// lie. To be used within a h5::Session.
#pragma once

#include <hdf5.h>

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include <tutti/io/compression.hpp>
#include <tutti/io/detail/chunk_table.hpp>
#include <tutti/io/detail/hdf5.hpp>
#include <tutti/io/detail/read_only_file.hpp>
#include <tutti/kernels/dtype.hpp>

namespace tutti::io {

/// A dataset that tutti can read without HDF5: its elements are stored as in a shard, in one run or in chunks,
/// without filters other than those of Compression.
class LinkedDataset {
 public:
  DType dtype() const noexcept { return dtype_; }
  std::uint64_t samples() const noexcept { return extent_.front(); }
  std::vector<std::size_t> shape() const { return {extent_.begin() + 1, extent_.end()}; }  ///< of one sample

  /// Samples that are read together; 1 where each can be read by itself.
  std::uint64_t samples_together() const noexcept {
    return compression_ == Compression{} && !divided_ ? 1 : chunk_samples_;
  }

  /// False: space was reserved when the dataset was created, so it is not known whether all of it was written since.
  bool surely_written() const noexcept { return surely_written_; }

 private:
  friend class LinkedFile;

  std::string what_;   // for messages: "dataset 'x'"
  std::string place_;  // with its file
  h5::Id dataset_;
  DType dtype_ = DType::u8;
  std::vector<hsize_t> extent_;
  std::uint64_t sample_bytes_ = 0;
  std::uint64_t chunk_samples_ = 0;  // 0: one run
  bool divided_ = false;             // by chunks that hold parts of samples
  std::uint64_t first_ = 0;          // of one run, where it begins
  Compression compression_;
  bool surely_written_ = true;
};

class LinkedFile {
 public:
  /// `bytes` outlives it. \throws DataError naming the file: not HDF5, truncated, damaged.
  explicit LinkedFile(const ReadOnlyFile& bytes);

  /// \throws DataError naming the file and the dataset: not there, or not one that can be read in place, which says
  /// what to do instead.
  LinkedDataset open(const std::string& dataset);

  /// Where all samples of it lie. \throws DataError naming the file, the dataset and the chunk that was never written
  /// or lies elsewhere.
  ChunkTable table(const LinkedDataset& dataset);

 private:
  void find_layout(LinkedDataset& dataset) const;
  void find_chunks(LinkedDataset& dataset, hid_t properties) const;

  const ReadOnlyFile& bytes_;
  ChunkFinder finder_;
  h5::Id root_;
};

}  // namespace tutti::io
