// A data set on disk: a folder with a manifest and HDF5 shards. The format is written down in io/FORMAT.md.
#pragma once

#include <tutti/kernels/cpp20.hpp>

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include <tutti/io/compression.hpp>
#include <tutti/kernels/dtype.hpp>

namespace tutti::io {

/// One named part of every sample: "image" u8 {1, 28, 28}, "label" i64 {}.
struct Field {
  std::string name;
  DType dtype = DType::u8;
  std::vector<std::size_t> shape;  ///< of one sample; empty for a scalar
  bool sparse = false;             ///< stored as compressed rows (SparseRows), of a shape {columns}

  std::size_t elements() const noexcept;      ///< per sample
  std::size_t sample_bytes() const noexcept;  ///< per sample; of a sparse field: if it is made dense
  friend bool operator==(const Field&, const Field&) = default;
};

struct ShardInfo {
  std::filesystem::path file;
  std::uint64_t first_sample =
      0;  ///< id of its first sample: ids number all samples of the data set from 0 in shard order
  std::uint64_t samples = 0;
  std::uint64_t chunk_samples = 1;    ///< samples per chunk; the last chunk may hold fewer
  std::filesystem::path linked = {};  ///< the file that its links lead to; empty if it has none
  std::uint32_t checksum = 0;         ///< of the shard's tables of checksums: tells its samples from any others
};

/// The description of a data set, read from its manifest and checked against the headers of all its shards.
class Dataset {
 public:
  /// \throws DataError naming the file: a missing manifest or shard, one that is truncated, or disagrees with the
  /// manifest or with the other shards in fields, shapes, dtypes or counts; a data set without samples; a file that is
  /// linked to and is missing or of another size. Sample data is not read: its checksums are verified as it is read,
  /// and by check_shard().
  explicit Dataset(std::filesystem::path folder);

  const std::filesystem::path& folder() const noexcept { return folder_; }
  std::uint64_t size() const noexcept { return size_; }
  const std::vector<Field>& fields() const noexcept { return fields_; }
  const std::vector<ShardInfo>& shards() const noexcept { return shards_; }
  const std::string& name() const noexcept { return name_; }
  std::size_t classes() const noexcept {
    return classes_;
  }  ///< labels are 0 .. classes-1; 0 if there are no class labels

  /// Of what is stored in the shards.
  const Compression& compression() const noexcept { return compression_; }

  /// Names of the fields whose samples are in HDF5 files of other programs, to which the shards are linked.
  const std::vector<std::string>& linked() const noexcept { return linked_; }

  /// By class; empty if the data set does not say.
  const std::vector<std::string>& class_names() const noexcept { return class_names_; }

  /// Index in fields(). \throws DataError naming the data set and the fields it has.
  std::size_t field(const std::string& name) const;

  /// Identity for checkpoints: CRC-32C over the manifest's text, which holds the checksums of all samples.
  std::uint32_t fingerprint() const noexcept { return fingerprint_; }

 private:
  std::filesystem::path folder_;
  std::string name_;
  std::uint64_t size_ = 0;
  std::size_t classes_ = 0;
  std::vector<std::string> class_names_;
  std::uint32_t fingerprint_ = 0;
  Compression compression_;
  std::vector<std::string> linked_;
  std::vector<Field> fields_;
  std::vector<ShardInfo> shards_;
};

}  // namespace tutti::io
