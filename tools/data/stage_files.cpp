// Files of a folder that is staged to; see stage_files.hpp.
#include "tools/data/stage_files.hpp"

#include <fcntl.h>
#include <fmt/core.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <system_error>
#include <utility>

#include <tutti/kernels/error.hpp>
#include <tutti/kernels/whole_file.hpp>

namespace tutti::tools::data {
namespace {

namespace fs = std::filesystem;

[[noreturn]] void fail_local(const fs::path& file, const std::string& what, int error) {
  throw DataError(fmt::format("{}: {}: {}", file.string(), what, std::generic_category().message(error)));
}

int flags_of(LocalFile::Mode mode) noexcept {
  if (mode == LocalFile::Mode::read) return O_RDONLY | O_CLOEXEC;
  return O_RDWR | O_CREAT | O_CLOEXEC | (mode == LocalFile::Mode::make ? O_TRUNC : 0);
}

}  // namespace

LocalFile::LocalFile(fs::path file, Mode mode)
    : file_(std::move(file)), descriptor_(::open(file_.c_str(), flags_of(mode), 0666)) {
  if (descriptor_ < 0) fail_local(file_, mode == Mode::read ? "cannot be read" : "cannot be written", errno);
}

LocalFile::~LocalFile() { ::close(descriptor_); }

bool LocalFile::read(std::span<std::byte> data, std::uint64_t offset) const noexcept {
  while (!data.empty()) {
    const ssize_t got = ::pread(descriptor_, data.data(), data.size(), static_cast<off_t>(offset));
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return false;
    offset += static_cast<std::uint64_t>(got);
    data = data.subspan(static_cast<std::size_t>(got));
  }
  return true;
}

void LocalFile::write(std::span<const std::byte> data, std::uint64_t offset) {
  while (!data.empty()) {
    const ssize_t written = ::pwrite(descriptor_, data.data(), data.size(), static_cast<off_t>(offset));
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) fail_local(file_, "cannot be written", written < 0 ? errno : EIO);
    offset += static_cast<std::uint64_t>(written);
    data = data.subspan(static_cast<std::size_t>(written));
  }
}

std::uint64_t LocalFile::size() const {
  struct stat status = {};
  if (::fstat(descriptor_, &status) != 0) fail_local(file_, "cannot be read", errno);
  return static_cast<std::uint64_t>(status.st_size);
}

void LocalFile::reserve(std::uint64_t bytes) {
  int error = ::ftruncate(descriptor_, static_cast<off_t>(bytes)) == 0 ? 0 : errno;
  if (error == 0 && bytes > 0) error = ::posix_fallocate(descriptor_, 0, static_cast<off_t>(bytes));
  if (error != 0) fail_local(file_, fmt::format("{} bytes cannot be reserved", bytes), error);
}

void LocalFile::sync() {
  if (::fsync(descriptor_) != 0) fail_local(file_, "cannot be synced to disk", errno);
}

void LocalFile::drop_from_memory(std::uint64_t offset, std::uint64_t bytes) noexcept {
  constexpr unsigned kAll = SYNC_FILE_RANGE_WAIT_BEFORE | SYNC_FILE_RANGE_WRITE | SYNC_FILE_RANGE_WAIT_AFTER;
  ::sync_file_range(descriptor_, static_cast<off_t>(offset), static_cast<off_t>(bytes), kAll);
  ::posix_fadvise(descriptor_, static_cast<off_t>(offset), static_cast<off_t>(bytes), POSIX_FADV_DONTNEED);
}

void rename_file(const fs::path& from, const fs::path& to) {
  if (::rename(from.c_str(), to.c_str()) != 0) fail_local(to, "cannot be renamed from its temporary name", errno);
}

void remove_file(const fs::path& file) {
  if (::unlink(file.c_str()) != 0 && errno != ENOENT) fail_local(file, "cannot be removed", errno);
}

std::optional<std::string> text_of_file(const fs::path& file) {
  if (!fs::exists(file)) return std::nullopt;
  return read_whole_file(file.string());
}

}  // namespace tutti::tools::data
