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

/// Keeps a folder to one writer: an advisory lock (flock) on the file `.lock` in it, which names the holder. The lock
/// of a process that has died is gone with it. On file systems without locks it does nothing.
class FolderLock {
 public:
  /// \throws DataError naming the folder and the holder's process and host, or the cause why it cannot be written.
  explicit FolderLock(const std::filesystem::path& folder);
  ~FolderLock();
  FolderLock(FolderLock&& other) noexcept;
  FolderLock& operator=(FolderLock&&) = delete;

 private:
  bool acquire(const std::filesystem::path& folder);

  std::filesystem::path file_;  // empty: nothing to be removed
  int descriptor_ = -1;
};

}  // namespace tutti::io
