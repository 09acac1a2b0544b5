#include <tutti/io/importers/random_file.hpp>

#include <fcntl.h>
#include <fmt/core.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <system_error>
#include <utility>

#include <tutti/kernels/error.hpp>

namespace tutti::io {

RandomFile::RandomFile(std::filesystem::path file) : file_(std::move(file)) {
  if (std::filesystem::is_directory(file_)) fail("is a folder");
  descriptor_ = ::open(file_.c_str(), O_RDONLY | O_CLOEXEC);
  if (descriptor_ < 0) fail("cannot be opened: " + std::generic_category().message(errno));
  struct stat status = {};
  if (::fstat(descriptor_, &status) != 0 || !S_ISREG(status.st_mode)) {
    ::close(descriptor_);
    fail("is not a regular file; this format is not read in order");
  }
  size_ = static_cast<std::uint64_t>(status.st_size);
}

RandomFile RandomFile::temporary() {
  RandomFile made;
  std::string name = (std::filesystem::temp_directory_path() / "tutti-import-XXXXXX").string();
  made.descriptor_ = ::mkostemp(name.data(), O_CLOEXEC);
  made.file_ = name;
  if (made.descriptor_ < 0) made.fail("cannot be created: " + std::generic_category().message(errno));
  ::unlink(name.c_str());
  return made;
}

RandomFile::~RandomFile() {
  if (descriptor_ >= 0) ::close(descriptor_);
}

RandomFile::RandomFile(RandomFile&& other) noexcept
    : file_(std::move(other.file_)), descriptor_(std::exchange(other.descriptor_, -1)), size_(other.size_) {}

void RandomFile::fail(const std::string& what) const { throw DataError(fmt::format("{}: {}", file_.string(), what)); }

void RandomFile::read(std::uint64_t offset, std::span<std::byte> out) const {
  while (!out.empty()) {
    const ssize_t got = ::pread(descriptor_, out.data(), out.size(), static_cast<off_t>(offset));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) fail("cannot be read: " + std::generic_category().message(errno));
    if (got == 0) fail("is truncated");
    offset += static_cast<std::uint64_t>(got);
    out = out.subspan(static_cast<std::size_t>(got));
  }
}

void RandomFile::append(std::span<const std::byte> bytes) {
  while (!bytes.empty()) {
    const ssize_t wrote = ::pwrite(descriptor_, bytes.data(), bytes.size(), static_cast<off_t>(size_));
    if (wrote < 0 && errno == EINTR) continue;
    if (wrote <= 0) fail("cannot be written: " + std::generic_category().message(errno));
    size_ += static_cast<std::uint64_t>(wrote);
    bytes = bytes.subspan(static_cast<std::size_t>(wrote));
  }
}

}  // namespace tutti::io
