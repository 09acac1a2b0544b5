#include <fcntl.h>
#include <fmt/core.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <string_view>
#include <system_error>
#include <utility>

#include <tutti/io/files.hpp>
#include <tutti/kernels/error.hpp>
#include <tutti/kernels/whole_file.hpp>

namespace tutti::io {

namespace {

namespace fs = std::filesystem;

[[noreturn]] void fail(const fs::path& file, const char* what, int error) {
  throw DataError(fmt::format("{}: {}: {}", file.string(), what, std::generic_category().message(error)));
}

fs::path folder_of(const fs::path& file) { return file.has_parent_path() ? file.parent_path() : fs::path("."); }

}  // namespace

void sync_folder(const fs::path& folder) {
  const int descriptor = ::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (descriptor < 0) fail(folder, "cannot be opened", errno);
  const int error = ::fsync(descriptor) == 0 ? 0 : errno;
  ::close(descriptor);
  // Some network file systems cannot sync a folder and say so by EINVAL; there a rename is as durable as it gets.
  if (error != 0 && error != EINVAL && error != ENOTSUP) fail(folder, "cannot be synced", error);
}

void sync_file(const fs::path& file) {
  const int descriptor = ::open(file.c_str(), O_WRONLY | O_CLOEXEC);
  if (descriptor < 0) fail(file, "cannot be opened", errno);
  const int error = ::fsync(descriptor) == 0 ? 0 : errno;
  ::close(descriptor);
  if (error != 0) fail(file, "cannot be synced to disk", error);
}

void write_file(const fs::path& file, std::span<const std::byte> bytes) {
  WholeFile whole(file, Writers::one);
  whole.write(0, bytes);
  whole.finish(bytes.size());
  whole.publish();
  sync_folder(folder_of(file));
}

bool FolderLock::acquire(const fs::path& folder) {
  descriptor_ = ::open(file_.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0666);
  if (descriptor_ < 0) fail(folder, "cannot be written", errno);
  if (::flock(descriptor_, LOCK_EX | LOCK_NB) != 0) {
    const int error = errno;
    if (error == EWOULDBLOCK) {
      std::array<char, 300> holder{};
      const ssize_t size = ::pread(descriptor_, holder.data(), holder.size(), 0);
      ::close(std::exchange(descriptor_, -1));
      throw DataError(fmt::format("{}: the folder is in use by {}", folder.string(),
                                  size > 0 ? std::string_view(holder.data(), static_cast<std::size_t>(size))
                                           : std::string_view("another process")));
    }
    file_.clear();  // no locks here: the file may be another process's
    return true;
  }
  // A holder that has just ended may have removed the file between open and flock: then the lock is on no name.
  struct stat mine = {};
  struct stat named = {};
  if (::fstat(descriptor_, &mine) == 0 && ::stat(file_.c_str(), &named) == 0 && mine.st_ino == named.st_ino)
    return true;
  ::close(std::exchange(descriptor_, -1));
  return false;
}

FolderLock::FolderLock(const fs::path& folder) : file_(folder / ".lock") {
  constexpr int kTries = 1000;  // each lost to another process that took the lock and ended within an instant
  for (int tries = 1; !acquire(folder); ++tries)
    if (tries == kTries)
      throw DataError(fmt::format("{}: the folder is in use by others all the time", folder.string()));
  std::array<char, 256> host{};
  ::gethostname(host.data(), host.size() - 1);
  const std::string holder = fmt::format("process {} on host {}", ::getpid(), host.data());
  // Only words for whoever is refused: a lock without them is as good.
  if (::ftruncate(descriptor_, 0) == 0) static_cast<void>(::pwrite(descriptor_, holder.data(), holder.size(), 0) == 0);
}

FolderLock::FolderLock(FolderLock&& other) noexcept
    : file_(std::exchange(other.file_, {})), descriptor_(std::exchange(other.descriptor_, -1)) {}

FolderLock::~FolderLock() {
  if (descriptor_ < 0) return;
  if (!file_.empty()) ::unlink(file_.c_str());  // while the lock is held, so that it is ours
  ::close(descriptor_);
}

}  // namespace tutti::io
