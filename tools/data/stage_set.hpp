// What is staged: the files of a data set, cut into blocks with a checksum each, and into the pieces that travel.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <vector>

namespace tutti::tools::data {

/// Bytes of a block, the unit of checksums and of what a later run need not send again. The last of a file is shorter.
inline constexpr std::uint64_t kStageBlockBytes = std::uint64_t{1} << 20;

struct StagedFile {
  std::string name;
  std::uint64_t bytes = 0;
  std::int64_t changed = 0;  ///< time of the last change, in nanoseconds: whether the source stays as it is

  std::uint64_t blocks() const noexcept { return (bytes + kStageBlockBytes - 1) / kStageBlockBytes; }
};

/// The blocks of all files are numbered one after another.
struct StageSet {
  std::string manifest;  ///< its text; it is no file of the list
  std::vector<StagedFile> files;

  std::uint64_t bytes() const noexcept;
  std::uint64_t blocks() const noexcept;
  std::vector<std::uint64_t> first_blocks() const;  ///< of every file
  std::uint32_t fingerprint() const;                ///< that of the data set

  /// Whether the bytes of the two are the same, by manifest and sizes; the times of change may differ.
  bool same_content(const StageSet& other) const noexcept;
  bool same_times(const StageSet& other) const noexcept;
};

/// One JSON object in one line, and back. \throws DataError if `text` is not such an object.
std::string to_text(const StageSet& set);
StageSet set_from_text(const std::string& text);

/// The files that a manifest names: every value of a key "file". \throws DataError naming `file`
std::vector<std::string> files_of_manifest(const std::string& manifest, const std::filesystem::path& file);

/// The data set in `folder`, whose headers are verified. \throws DataError naming the file
StageSet read_stage_set(const std::filesystem::path& folder);

/// What travels in one message: bytes of one file, which begin at a block, or end in the one that they begin in.
struct Piece {
  std::size_t file = 0;
  std::uint64_t offset = 0;
  std::uint64_t bytes = 0;
  std::uint64_t first_block = 0;  ///< that it has bytes of, in the numbers of all files
  std::size_t ends = 0;           ///< how many blocks end in it
};

/// Pieces of `piece_bytes`, a power of two, with all blocks of which `missing` is not 0.
std::vector<Piece> cut_pieces(const StageSet& set, std::span<const std::uint8_t> missing, std::uint64_t piece_bytes);

/// Reads the files of a data set, each byte that is asked for once, and notices if they change meanwhile.
class StageSource {
 public:
  StageSource(std::filesystem::path folder, const StageSet& set) : folder_(std::move(folder)), set_(set) {}
  ~StageSource();
  StageSource(const StageSource&) = delete;
  StageSource& operator=(const StageSource&) = delete;

  /// \throws DataError naming the file: it cannot be read, is cut short, or has changed.
  void read(const Piece& piece, std::span<std::byte> data);

  /// Whether all files and the manifest are as they were. \throws DataError naming the file that is not
  void require_unchanged() const;

  std::uint64_t bytes_read() const noexcept { return bytes_read_; }

 private:
  void open(std::size_t file);

  std::filesystem::path folder_;
  const StageSet& set_;
  std::size_t file_ = 0;  // that is open
  int descriptor_ = -1;
  std::uint64_t bytes_read_ = 0;
};

}  // namespace tutti::tools::data
