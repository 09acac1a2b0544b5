// Memory that processes share; see shared_memory.hpp.
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <limits>
#include <new>

#include <tutti/collectives/node/shared_memory.hpp>

namespace tutti::detail {
namespace {

std::byte* map(int fd, std::size_t bytes, int flags) noexcept {
  void* const data = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | flags, fd, 0);
  return data == MAP_FAILED ? nullptr : static_cast<std::byte*>(data);
}

/// The process's limit, or the largest number if it has none.
rlim_t limit_of(decltype(RLIMIT_NOFILE) what) noexcept {
  rlimit limit{};
  return getrlimit(what, &limit) == 0 ? limit.rlim_cur : RLIM_INFINITY;
}

/// In pieces, since a signal that comes meanwhile undoes the whole call.
bool reserve(int fd, std::size_t bytes) noexcept {
  constexpr std::size_t kPiece = std::size_t{8} << 20;
  for (std::size_t first = 0; first < bytes;) {
    const std::size_t count = std::min(kPiece, bytes - first);
    if (fallocate(fd, 0, static_cast<off_t>(first), static_cast<off_t>(count)) == 0) {
      first += count;
    } else if (errno != EINTR) {
      return false;
    }
  }
  return true;
}

}  // namespace

SharedMemory SharedMemory::create(std::size_t bytes, const char* name) {
  const auto page = static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
  const std::size_t rounded = (bytes + page - 1) / page * page;
  if (rounded < bytes || rounded > static_cast<std::size_t>(std::numeric_limits<off_t>::max())) throw std::bad_alloc();
  if (rounded > limit_of(RLIMIT_FSIZE)) return {};  // a signal would end the process
  const int fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);
  if (fd < 0) return {};
  struct stat status {};
  if (static_cast<rlim_t>(fd) >= limit_of(RLIMIT_NOFILE) / 2 || fstat(fd, &status) != 0) {
    ::close(fd);
    return {};
  }
  std::byte* const data = reserve(fd, rounded) ? map(fd, rounded, MAP_POPULATE) : nullptr;
  if (data == nullptr) {
    ::close(fd);
    throw std::bad_alloc();
  }
  return {data, rounded, status.st_ino, fd};
}

SharedMemory SharedMemory::open(pid_t process, int fd, std::uint64_t inode, std::size_t bytes) {
  char path[64];
  std::snprintf(path, sizeof path, "/proc/%d/fd/%d", static_cast<int>(process), fd);
  const int theirs = ::open(path, O_RDWR | O_CLOEXEC);
  if (theirs < 0) throw std::bad_alloc();
  struct stat status {};
  const bool is_it =
      fstat(theirs, &status) == 0 && status.st_ino == inode && status.st_size >= static_cast<off_t>(bytes);
  std::byte* const data = is_it ? map(theirs, bytes, 0) : nullptr;
  ::close(theirs);
  if (data == nullptr) throw std::bad_alloc();
  return {data, bytes, inode, -1};
}

void SharedMemory::close() noexcept {
  if (data_ != nullptr) munmap(data_, bytes_);
  if (fd_ >= 0) ::close(fd_);
}

}  // namespace tutti::detail
