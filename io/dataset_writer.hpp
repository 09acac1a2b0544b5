// Writes a data set: takes samples in order and lays them out in shards and a manifest.
#pragma once

#include <tutti/kernels/cpp20.hpp>

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include <tutti/io/compression.hpp>
#include <tutti/io/dataset.hpp>
#include <tutti/io/files.hpp>
#include <tutti/io/ranks.hpp>
#include <tutti/io/sample_block.hpp>
#include <tutti/io/sampler.hpp>

namespace tutti::io {

/// Shards whose samples stay where they are: fields that are links to datasets of HDF5 files of other programs, a file
/// for each shard.
struct DatasetLinks {
  struct File {
    std::filesystem::path path;
    std::uint64_t samples = 0;
    std::uint64_t together = 1;  ///< samples that are decoded together: chunks are multiples of it
  };
  std::vector<std::string> datasets;  ///< by field: where in the files it is; empty for a field that is not linked
  std::vector<File> files;            ///< in the order of their samples
};

/// What is to be written. The number of samples is known beforehand, because shards of even size need it.
struct DatasetPlan {
  // ---- What is written
  std::string name;           ///< for people
  std::vector<Field> fields;  ///< of every sample
  std::uint64_t samples = 0;
  std::uint64_t shards =
      1;  ///< their sizes differ by at most one sample, larger ones first; at most one shard per sample
  std::size_t classes = 0;  ///< if not 0, there is an integer field "label" whose values are 0 .. classes-1
  std::vector<std::string> class_names = {};  ///< empty, or one per class
  std::optional<DatasetLinks> links = {};     ///< then `samples` and `shards` are those of its files
  bool replace = false;  ///< whether a data set that is already there is replaced, once the new one is complete

  // ---- How fast it reads
  /// Samples per chunk, the unit of reading and of checksums, evened out so that the last chunk of a shard is nearly
  /// full. 0 chooses about 32 KiB. Larger suits reading in order from a parallel file system; smaller mixes better in a
  /// two-level shuffle, and costs less where a full shuffle of a data set that exceeds the cache reads a chunk a
  /// sample.
  std::uint64_t chunk_samples = 0;

  /// How chunks are compressed. None reads fastest where the data fit the page cache or the disk is fast; lz4 and
  /// deflate-1 take fewer bytes of a slow file system. zstd is the smallest.
  Compression compression = {};
};

/// Makes the folder if need be. \throws DataError naming it: it cannot be made, or holds a data set and `replace` is
/// not set.
void prepare_folder(const std::filesystem::path& folder, bool replace);

/// Holds one chunk in memory. Everything is written under temporary names; finish() gives the shards and last the
/// manifest their names, so a folder with a manifest holds a whole data set. Without finish() nothing remains and an
/// earlier data set is untouched.
///
/// Several ranks may write one data set: each has the samples of its shards, a consecutive part of all of them, from
/// own_samples().first on. The constructor and finish() are collective then, and throw alike on all ranks.
class DatasetWriter {
 public:
  /// Makes the folder if need be. \throws InvalidArgument for a plan that makes no sense; DataError naming the folder
  /// if it holds a data set and `replace` is not set, if another process is writing there, or if it cannot be written.
  /// `lock`: of the folder, on rank 0, if it is held already.
  DatasetWriter(const std::filesystem::path& folder, const DatasetPlan& plan, Ranks& ranks = one_rank(),
                std::optional<FolderLock> lock = std::nullopt);
  ~DatasetWriter();
  DatasetWriter(const DatasetWriter&) = delete;
  DatasetWriter& operator=(const DatasetWriter&) = delete;

  /// Ids of the samples that this rank has to give.
  Range own_samples() const noexcept;

  /// The next `samples` samples: data[f] holds samples x sample_bytes of field f. Of a linked field these are what the
  /// file holds; only their checksums are kept. \throws InvalidArgument for other sizes, too many samples or sparse
  /// fields; DataError naming the file, or the sample whose label is out of range.
  void append(std::uint64_t samples, std::span<const std::span<const std::byte>> data);

  /// The samples of a block. \throws likewise; DataError naming the sample whose sparse row is wrong.
  void append(const SampleBlock& block);

  /// `classes` states their number now if the plan did not. \throws InvalidArgument if samples are missing; DataError
  /// naming the file.
  void finish(std::size_t classes = 0);

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace tutti::io
