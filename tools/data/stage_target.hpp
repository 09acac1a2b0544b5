// The folder that a data set is staged to, on one node. Files are written as `.NAME.tmp`, verified, and renamed; the
// manifest comes last, so a folder with a manifest holds a whole data set. By the StageState beside them a later run
// finds what is there and what is damaged.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include <tutti/io/files.hpp>

#include "tools/data/stage_files.hpp"
#include "tools/data/stage_set.hpp"
#include "tools/data/stage_state.hpp"

namespace tutti::tools::data {

/// One thread at a time, but that store() and verify() may run beside each other on different blocks.
class StageTarget {
 public:
  /// Locks the folder. \throws DataError if another process is writing there, or it cannot be written.
  StageTarget(std::filesystem::path folder, const StageSet& set);
  StageTarget(const StageTarget&) = delete;
  StageTarget& operator=(const StageTarget&) = delete;

  /// What stands in the way of this data set, in words that name the file: another one, or files of the same names.
  std::optional<std::string> obstacle() const;

  /// Removes that.
  void clear();

  /// Reads what is there and compares checksums. Afterwards missing() is 0 for each block that is right.
  void survey();
  std::span<const std::uint8_t> missing() const noexcept { return missing_; }
  bool complete() const noexcept;

  /// What is there is the whole data set, under its names.
  bool published() const;

  /// Bytes that have yet to be given to missing blocks, and bytes that the file system has for them.
  std::uint64_t needed_bytes() const;
  std::uint64_t free_bytes() const;

  /// Makes the files with missing blocks, at their full sizes; takes the manifest away until all is whole again.
  /// \throws DataError naming the file if there is no space; then new files are removed.
  void reserve();

  /// The bytes of a piece, and the checksums of the blocks that end in it. Pieces of a block come in order. Blocks that
  /// are not missing stay as they are. \throws DataError naming the file
  void store(const Piece& piece, std::span<const std::byte> data, std::span<const std::uint32_t> checksums);

  /// Reads back those blocks, all of one file, that were missing, from the disk as far as the system lets it: those
  /// that are right are missing no more. \throws DataError naming the file
  void verify(std::size_t file, std::uint64_t first_block, std::uint64_t blocks);

  /// The first missing block, as file and byte.
  std::string first_missing() const;

  /// Gives the files their names, and writes the manifest.
  void publish();

 private:
  std::filesystem::path final_path(std::size_t file) const;
  std::filesystem::path hidden_path(std::size_t file) const;
  std::filesystem::path existing_path(std::size_t file) const;
  bool has_missing(std::size_t file) const;
  void survey_file(std::size_t file, std::span<std::byte> buffer);
  bool holds_set() const;
  void adopt();
  std::span<std::byte> block_of(std::size_t file, std::uint64_t block, std::span<std::byte> buffer) const;
  bool reads_right(const LocalFile& opened, std::size_t file, std::uint64_t block, std::span<std::byte> buffer) const;

  std::filesystem::path folder_;
  const StageSet& set_;
  std::vector<std::uint64_t> first_blocks_;
  std::vector<std::uint8_t> missing_;  // by block
  std::optional<io::FolderLock> lock_;
  StageState state_;
  std::optional<LocalFile> written_;  // the file that is being stored
  std::size_t written_file_ = 0;
  std::uint32_t running_ = 0;  // checksum of the block that a part of is stored
};

}  // namespace tutti::tools::data
