#include <tutti/io/detail/disk_storage.hpp>

#include <fcntl.h>
#include <fmt/core.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <system_error>
#include <utility>

#include <tutti/kernels/error.hpp>

namespace tutti::io {

DiskStorage::DiskStorage(const std::string& written, std::filesystem::path file)
    : file_(std::move(file)), descriptor_(::open(written.c_str(), O_RDWR | O_CLOEXEC)) {
  struct stat status = {};
  if (descriptor_ < 0 || ::fstat(descriptor_, &status) != 0) {
    const int error = errno;
    if (descriptor_ >= 0) ::close(descriptor_);
    throw DataError(fmt::format("{}: cannot be written: {}", file_.string(), std::generic_category().message(error)));
  }
  size_ = static_cast<std::uint64_t>(status.st_size);
}

DiskStorage::~DiskStorage() {
  if (descriptor_ >= 0) ::close(descriptor_);
}

void DiskStorage::require_written() const {
  if (error_) std::rethrow_exception(error_);
}

void DiskStorage::fail(int error) noexcept {
  if (error_) return;
  try {
    throw DataError(fmt::format("{}: cannot be written: {}", file_.string(), std::generic_category().message(error)));
  } catch (...) {
    error_ = std::current_exception();
  }
}

bool DiskStorage::read(Content /*content*/, std::uint64_t offset, std::span<std::byte> out) noexcept {
  while (!out.empty()) {
    const ssize_t bytes = ::pread(descriptor_, out.data(), out.size(), static_cast<off_t>(offset));
    if (bytes < 0 && errno == EINTR) continue;
    if (bytes < 0) return false;
    if (bytes == 0) break;
    out = out.subspan(static_cast<std::size_t>(bytes));
    offset += static_cast<std::size_t>(bytes);
  }
  std::fill(out.begin(), out.end(), std::byte{0});
  return true;
}

void DiskStorage::write(std::uint64_t offset, std::span<const std::byte> bytes) noexcept {
  size_ = std::max(size_, offset + bytes.size());
  while (!bytes.empty() && !error_) {
    const ssize_t written = ::pwrite(descriptor_, bytes.data(), bytes.size(), static_cast<off_t>(offset));
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) return fail(written < 0 ? errno : EIO);
    bytes = bytes.subspan(static_cast<std::size_t>(written));
    offset += static_cast<std::size_t>(written);
  }
}

void DiskStorage::close(std::uint64_t size) noexcept { final_size_ = size; }

}  // namespace tutti::io
