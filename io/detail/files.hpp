// Files that appear whole or not at all: written under a temporary name, synced, renamed.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>

namespace tutti::io {

/// The temporary name beside `file`. It is always the same, so that what a killed program left is overwritten by the
/// next.
std::filesystem::path temporary_name(const std::filesystem::path& file);

/// A file being written under its temporary name, anywhere in it, that gets its name by publish() or is removed.
class TemporaryFile {
 public:
  /// \throws DataError naming `file`.
  explicit TemporaryFile(std::filesystem::path file);
  ~TemporaryFile();
  TemporaryFile(const TemporaryFile&) = delete;
  TemporaryFile& operator=(const TemporaryFile&) = delete;

  const std::filesystem::path& path() const noexcept { return temporary_; }

  /// Writes all of `bytes` from `offset` on. \throws DataError naming the file and the cause.
  void write(std::uint64_t offset, std::span<const std::byte> bytes);

  /// Makes it `size` bytes long, syncs and closes it. \throws DataError likewise.
  void finish(std::uint64_t size);

  /// Renames it; sync_folder() is left to the caller. Requires finish(). \throws DataError likewise.
  void publish();

 private:
  std::filesystem::path file_;
  std::filesystem::path temporary_;  // empty once it is published
  int descriptor_ = -1;
};

/// Makes the names of the files in `folder` durable. \throws DataError.
void sync_folder(const std::filesystem::path& folder);

/// Writes `bytes` as a TemporaryFile, publishes it and syncs the folder. \throws DataError naming file and cause; an
/// earlier `file` is untouched then.
void write_file(const std::filesystem::path& file, std::span<const std::byte> bytes);

/// \throws DataError naming file and cause.
std::string read_text(const std::filesystem::path& file);

/// Holds an advisory lock on a folder, against a second writer. On file systems without locks it does nothing.
class FolderLock {
 public:
  /// \throws DataError if another process holds the lock.
  explicit FolderLock(const std::filesystem::path& folder);
  ~FolderLock();
  FolderLock(const FolderLock&) = delete;
  FolderLock& operator=(const FolderLock&) = delete;

 private:
  int descriptor_ = -1;
};

}  // namespace tutti::io
