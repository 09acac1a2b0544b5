// One shard file: what its header says, how it is written chunk by chunk, and how chunks are read back and verified.
// The layout is written down in io/FORMAT.md.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include <tutti/io/compression.hpp>
#include <tutti/io/dataset.hpp>
#include <tutti/io/detail/chunk_table.hpp>
#include <tutti/io/detail/chunk_writer.hpp>
#include <tutti/io/detail/disk_storage.hpp>
#include <tutti/io/detail/hdf5.hpp>
#include <tutti/io/detail/read_only_file.hpp>
#include <tutti/io/sparse.hpp>
#include <tutti/kernels/whole_file.hpp>

namespace tutti::io {

inline constexpr std::uint64_t kSchemaVersion = 3;
inline constexpr const char* kShardFormat = "tutti-shard";
inline constexpr const char* kLabelField = "label";  ///< the field that holds class labels where a data set has classes

/// Where the samples of fields are that a shard only links to: datasets of one HDF5 file of another program.
struct ShardLinks {
  std::string file;      ///< its path, as in the links: from the folder of the shard
  std::string absolute;  ///< its path when the shard was made
  std::uint64_t bytes = 0;
  std::vector<std::string> datasets;  ///< by field; empty: that field is in the shard. None at all: all fields are

  bool linked(std::size_t field) const noexcept { return field < datasets.size() && !datasets[field].empty(); }

  friend bool operator==(const ShardLinks&, const ShardLinks&) = default;
};

/// Everything a shard says about itself and the data set it belongs to, without its samples.
struct ShardHeader {
  std::string dataset;  ///< name of the data set
  std::uint64_t shard = 0;
  std::uint64_t shards = 1;
  std::uint64_t first_sample = 0;
  std::uint64_t samples = 0;
  std::uint64_t dataset_samples = 0;
  std::uint64_t chunk_samples = 1;  ///< samples per chunk, of every field; the last chunk may hold fewer
  std::size_t classes = 0;
  std::vector<Field> fields;
  Compression compression = {};  ///< of the fields that are in the shard
  ShardLinks links = {};
  std::uint32_t checksum =
      0;  ///< CRC-32C over the checksum tables of all fields, in field order; set when writing ends

  std::uint64_t chunks() const noexcept { return samples == 0 ? 0 : (samples - 1) / chunk_samples + 1; }
  std::uint64_t samples_in_chunk(std::uint64_t chunk) const noexcept {
    return std::min(chunk_samples, samples - chunk * chunk_samples);
  }

  friend bool operator==(const ShardHeader&, const ShardHeader&) = default;
};

/// The version of shards and manifests: the first whose readers know what they contain. `linked`: fields are links.
std::uint64_t schema_version(const std::vector<Field>& fields, const Compression& compression, bool linked) noexcept;

/// "shard-00000-of-00008.h5"
std::string shard_file_name(std::uint64_t shard, std::uint64_t shards);

/// What is wrong with fields and classes, as a clause; empty if nothing is.
std::string describe_invalid_fields(const std::vector<Field>& fields, std::size_t classes);

/// Index of the first label outside 0 .. classes-1, or the number of labels. `field` is an integer scalar.
std::size_t first_bad_label(const Field& field, std::span<const std::byte> labels, std::size_t classes);

/// A label that is known to be in range.
std::size_t label_value(const Field& field, std::span<const std::byte> labels, std::size_t index);

/// A label as text, for messages.
std::string label_text(const Field& field, std::span<const std::byte> labels, std::size_t index);

/// The parts of a sparse field, which is a group of three datasets.
inline constexpr const char* kRowEnds = "row_ends";
inline constexpr const char* kColumns = "columns";
inline constexpr const char* kValues = "values";

/// CRC-32C of the samples of a chunk of a sparse field. `row_ends` count from the begin of the shard, as stored.
std::uint32_t sparse_checksum(std::span<const std::uint64_t> row_ends, std::span<const std::uint32_t> columns,
                              std::span<const std::byte> values) noexcept;

/// Writes one shard under its temporary name and publishes it. Without publish() nothing remains.
///
/// HDF5 writes through a driver that reports no failure to it (DiskStorage), so that a full disk is an error and no
/// crash. Chunks are encoded here, outside of its lock.
class ShardWriter {
 public:
  /// `header` says all but the checksum. \throws DataError naming the file.
  ShardWriter(std::filesystem::path file, ShardHeader header);
  ~ShardWriter();
  ShardWriter(const ShardWriter&) = delete;
  ShardWriter& operator=(const ShardWriter&) = delete;

  /// Writes the samples of one chunk of one field: exactly samples_in_chunk(chunk). Each is to be written once, in any
  /// order. Of a field that is linked only the checksums are written.
  void write_chunk(std::uint64_t chunk, std::size_t field, std::span<const std::byte> samples);

  /// The same of a sparse field, in ascending order. Requires rows that describe_invalid_rows() finds right.
  void write_sparse_chunk(std::uint64_t chunk, std::size_t field, const SparseRows& rows);

  /// Writes checksums and metadata, syncs and closes the file, and reads its header back; it keeps its temporary name.
  void finish();

  /// States the number of classes, which was 0. Requires finish().
  void set_classes(std::size_t classes);

  /// Gives it its name (the folder is left to be synced). Requires finish().
  void publish() { disk_.publish(); }

  const ShardHeader& header() const noexcept { return header_; }
  const std::filesystem::path& file() const noexcept { return file_; }

 private:
  struct Layout {
    std::vector<ChunkWriter> parts;     // one, or row ends, columns and values; none of a linked field
    h5::Id checksums;                   // dataset
    std::vector<std::uint32_t> crc32c;  // per chunk
    std::uint64_t next = 0;             // chunk of a sparse field
  };

  void create();
  void create_fields();
  void create_field(const Field& field, hid_t group);
  void create_sparse_field(const Field& field, hid_t group);
  ChunkWriter create_part(hid_t group, const char* name, hid_t type, std::size_t element_bytes,
                          const std::vector<hsize_t>& extent, const std::string& what);
  void create_checksums(std::size_t field, hid_t group);
  void close() noexcept;
  void require_read_back() const;

  std::filesystem::path file_;
  ShardHeader header_;
  WholeFile disk_;
  std::unique_ptr<DiskStorage> storage_;  // outlives root_; null once the file is complete
  h5::Id root_;
  std::vector<Layout> layouts_;  // per field
};

/// The header of a shard alone. \throws DataError naming the file: missing, truncated, not a shard, a newer version,
/// contradicting itself; linked to a file that is missing or of another size.
ShardHeader read_shard_header(const std::filesystem::path& file);

/// Reads one shard. HDF5 finds the header, the places of all chunks and their checksums, once, under its lock; from
/// then on chunks are read from one descriptor (two if the shard has links), by any number of threads at once.
class ShardReader {
 public:
  /// \throws DataError naming the file: as read_shard_header(); chunks that are missing or lie elsewhere; damaged
  /// checksums; a dataset that is linked and has gone or changed.
  explicit ShardReader(std::filesystem::path file);

  const ShardHeader& header() const noexcept { return header_; }
  const std::filesystem::path& file() const noexcept { return file_.path(); }

  /// Reads one chunk of one field into `out`, chunk_samples x sample_bytes (what lies behind the last sample is
  /// undefined), and verifies its checksum and, for class labels, their range. \throws DataError naming file, field,
  /// chunk and samples.
  void read_chunk(std::uint64_t chunk, std::size_t field, std::span<std::byte> out) const;

  /// The same of a sparse field. Row ends count from the begin of the chunk.
  SparseRows read_sparse_chunk(std::uint64_t chunk, std::size_t field) const;

  /// What the samples of a field take when decoded; of a sparse one, as rows.
  std::uint64_t data_bytes(std::size_t field) const noexcept;

  /// Has the system begin to read a chunk of all fields. A hint, which returns at once.
  void prefetch(std::uint64_t chunk) const noexcept;

 private:
  void open_field(const Field& field, hid_t group, ChunkFinder& finder);
  void open_links();
  void read_checksums(hid_t root);
  std::vector<std::uint64_t> read_row_ends(std::uint64_t chunk, std::size_t field, std::uint64_t& begin) const;
  void require_checksum(std::uint64_t chunk, std::size_t field, std::uint32_t found) const;
  void require_labels(std::uint64_t chunk, std::size_t field, std::span<const std::byte> samples) const;
  std::string place(std::uint64_t chunk, std::size_t field) const;

  struct StoredField {
    const ReadOnlyFile* file;              // the shard, or the one that it links to
    std::vector<ChunkTable> parts;         // one, or row ends, columns and values
    std::vector<std::uint32_t> checksums;  // per chunk
  };

  ReadOnlyFile file_;
  ShardHeader header_;
  std::unique_ptr<const ReadOnlyFile> linked_file_;  // null if there are no links
  std::vector<StoredField> fields_;
};

/// Opens shard `shard` of a data set. \throws DataError: as ShardReader, or if it is no longer the one that the data
/// set was opened with.
std::unique_ptr<const ShardReader> open_shard(const Dataset& dataset, std::size_t shard);

}  // namespace tutti::io
