#include <tutti/io/detail/read_only_file.hpp>

#include <fcntl.h>
#include <fmt/core.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <string>
#include <system_error>

#include <tutti/kernels/error.hpp>

namespace tutti::io {

ReadOnlyFile::ReadOnlyFile(std::filesystem::path file) : path_(std::move(file)) {
  const auto fail = [this](const std::string& what) {
    if (descriptor_ >= 0) ::close(descriptor_);
    throw DataError(fmt::format("{}: {}", path_.string(), what));
  };
  // Non-blocking for the sake of a named pipe, which would be waited for before it could be refused.
  descriptor_ = ::open(path_.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (descriptor_ < 0 && errno == EMFILE)
    fail(fmt::format("cannot be opened: too many open files; the limit is {} (ulimit -n)", ::sysconf(_SC_OPEN_MAX)));
  if (descriptor_ < 0) fail("cannot be opened: " + std::generic_category().message(errno));
  struct stat status = {};
  if (::fstat(descriptor_, &status) != 0) fail("cannot be opened: " + std::generic_category().message(errno));
  if (!S_ISREG(status.st_mode)) fail("is not a file");
  if (status.st_size == 0) fail("is empty");
  size_ = static_cast<std::uint64_t>(status.st_size);
}

ReadOnlyFile::~ReadOnlyFile() { ::close(descriptor_); }

std::int64_t ReadOnlyFile::read(std::uint64_t offset, std::span<std::byte> out) const noexcept {
  std::size_t done = 0;
  while (done < out.size()) {
    const ssize_t bytes = ::pread(descriptor_, out.data() + done, out.size() - done, static_cast<off_t>(offset + done));
    if (bytes < 0 && errno == EINTR) continue;
    if (bytes < 0) return -errno;
    if (bytes == 0) break;
    done += static_cast<std::size_t>(bytes);
  }
  return static_cast<std::int64_t>(done);
}

void ReadOnlyFile::prefetch(std::uint64_t offset, std::uint64_t size) const noexcept {
  ::posix_fadvise(descriptor_, static_cast<off_t>(offset), static_cast<off_t>(size), POSIX_FADV_WILLNEED);
}

}  // namespace tutti::io
