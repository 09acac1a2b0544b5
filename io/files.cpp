#include <fcntl.h>
#include <fmt/core.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <fstream>
#include <iterator>
#include <string_view>
#include <system_error>
#include <utility>

#include <tutti/io/files.hpp>
#include <tutti/kernels/error.hpp>

namespace tutti::io {

namespace {

namespace fs = std::filesystem;

[[noreturn]] void fail(const fs::path& file, const char* what, int error) {
  throw DataError(fmt::format("{}: {}: {}", file.string(), what, std::generic_category().message(error)));
}

fs::path folder_of(const fs::path& file) { return file.has_parent_path() ? file.parent_path() : fs::path("."); }

}  // namespace

fs::path temporary_name(const fs::path& file) {
  return folder_of(file) / fmt::format(".{}.tmp", file.filename().string());
}

TemporaryFile::TemporaryFile(fs::path file)
    : file_(std::move(file)),
      temporary_(temporary_name(file_)),
      descriptor_(::open(temporary_.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666)) {
  if (descriptor_ < 0) fail(file_, "cannot be written", errno);
}

TemporaryFile::~TemporaryFile() {
  if (descriptor_ >= 0) ::close(descriptor_);
  if (!temporary_.empty()) ::unlink(temporary_.c_str());
}

void TemporaryFile::write(std::uint64_t offset, std::span<const std::byte> bytes) {
  while (!bytes.empty()) {
    const ssize_t written = ::pwrite(descriptor_, bytes.data(), bytes.size(), static_cast<off_t>(offset));
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) fail(file_, "cannot be written", written < 0 ? errno : EIO);
    bytes = bytes.subspan(static_cast<std::size_t>(written));
    offset += static_cast<std::uint64_t>(written);
  }
}

void TemporaryFile::finish(std::uint64_t size) {
  if (::ftruncate(descriptor_, static_cast<off_t>(size)) != 0) fail(file_, "cannot be written", errno);
  if (::fsync(descriptor_) != 0) fail(file_, "cannot be synced to disk", errno);
  // close() reports errors of delayed writes on network file systems, so its result counts.
  if (::close(std::exchange(descriptor_, -1)) != 0) fail(file_, "cannot be closed", errno);
}

void TemporaryFile::publish() {
  if (::rename(temporary_.c_str(), file_.c_str()) != 0) fail(file_, "cannot be renamed from its temporary name", errno);
  temporary_.clear();
}

void sync_folder(const fs::path& folder) {
  const int descriptor = ::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (descriptor < 0) fail(folder, "cannot be opened", errno);
  const int error = ::fsync(descriptor) == 0 ? 0 : errno;
  ::close(descriptor);
  // Some network file systems cannot sync a folder and say so by EINVAL; there a rename is as durable as it gets.
  if (error != 0 && error != EINVAL && error != ENOTSUP) fail(folder, "cannot be synced", error);
}

void write_file(const fs::path& file, std::span<const std::byte> bytes) {
  TemporaryFile temporary(file);
  temporary.write(0, bytes);
  temporary.finish(bytes.size());
  temporary.publish();
  sync_folder(folder_of(file));
}

std::string read_text(const fs::path& file) {
  if (fs::is_directory(file)) fail(file, "cannot be read", EISDIR);
  errno = 0;
  std::ifstream in(file, std::ios::binary);
  if (!in) fail(file, "cannot be read", errno != 0 ? errno : EIO);
  std::string content{std::istreambuf_iterator<char>(in), {}};
  if (in.bad()) fail(file, "cannot be read", EIO);
  return content;
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
