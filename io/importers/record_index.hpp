// Where the records of a large text file lie, found by all ranks together, each looking through its part.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <vector>

#include <tutti/io/importers/record_reader.hpp>
#include <tutti/io/ranks.hpp>

namespace tutti::io {

/// The index is a number of counts for each block of a file (1 MiB), so that a record is found by reading a block.
///
/// Whether a byte lies between quotes depends on all bytes before it. So each block is counted for both cases, and
/// which of them holds follows from the numbers of quotes in the blocks before. That is right for text whose quotes are
/// those of RFC 4180; text that has others is refused when it is read.
class RecordIndex {
 public:
  /// What can be called for each record of this rank's part.
  using Inspect = std::function<void(const RecordReader&)>;

  /// Collective. `files` are plain ones. `inspect` is called only for a form without quotes. \throws DataError, alike
  /// on all ranks.
  RecordIndex(const std::vector<std::filesystem::path>& files, RecordForm form, Ranks& ranks, const Inspect& inspect,
              std::size_t block_bytes = std::size_t{1} << 20);

  std::uint64_t records(std::size_t file) const { return files_[file].records; }
  std::uint64_t bytes(std::size_t file) const { return files_[file].bytes; }

  /// Makes `record` the next one of a reader of that file, of which `consumed` records, no more, have been read.
  void seek(std::size_t file, RecordReader& reader, std::uint64_t record, std::uint64_t consumed) const;

 private:
  // A block is the line ends from `begin` up to that of the next block, and the records that begin behind them.
  struct Block {
    std::uint64_t begin = 0;
    std::uint64_t lines = 0;    // that end before
    std::uint64_t records = 0;  // that begin before
    bool inside_quotes = false;
  };
  struct File {
    std::uint64_t bytes = 0;
    std::uint64_t records = 0;
    std::vector<Block> blocks;
  };

  std::vector<File> files_;
};

}  // namespace tutti::io
