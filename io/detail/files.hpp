// Files that appear whole or not at all: written under a temporary name, synced, renamed.
#pragma once

#include <cstddef>
#include <filesystem>
#include <span>
#include <string>

namespace tutti::io {

/// The temporary name beside `file`. It is always the same, so that what a killed program left is overwritten by the
/// next.
std::filesystem::path temporary_name(const std::filesystem::path& file);

/// Makes the names of the files in `folder` durable. \throws DataError.
void sync_folder(const std::filesystem::path& folder);

/// Gives the complete file `temporary` its name: sync, then rename over `file`; sync_folder() is left to the caller.
/// \throws DataError naming file and cause; `temporary` is removed, an earlier `file` is untouched.
void publish(const std::filesystem::path& temporary, const std::filesystem::path& file);

/// Writes `bytes` to a temporary file, publishes it and syncs the folder. \throws DataError like publish(): every
/// write, the sync and the close are checked.
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
