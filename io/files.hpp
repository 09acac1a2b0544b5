// Files that last: synced as well as whole, and in a folder that has one writer.
#pragma once

#include <cstddef>
#include <filesystem>
#include <span>

namespace tutti::io {

/// Makes the names of the files in `folder` durable. \throws DataError.
void sync_folder(const std::filesystem::path& folder);

/// What was written to `file` is on disk afterwards. \throws DataError.
void sync_file(const std::filesystem::path& file);

/// Writes `bytes` as a WholeFile of one writer, publishes it and syncs the folder. \throws DataError naming file and
/// cause; an earlier `file` is untouched then.
void write_file(const std::filesystem::path& file, std::span<const std::byte> bytes);

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
