// Memory that processes share; see shared_memory.hpp.
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdio>
#include <new>

#include <tutti/collectives/node/shared_memory.hpp>

namespace tutti::detail {
namespace {

std::byte* map(int fd, std::size_t bytes) noexcept {
  void* const data = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, fd, 0);
  return data == MAP_FAILED ? nullptr : static_cast<std::byte*>(data);
}

}  // namespace

SharedMemory SharedMemory::create(std::size_t bytes) {
  const auto page = static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
  const std::size_t rounded = (bytes + page - 1) / page * page;
  const auto length = static_cast<off_t>(rounded);
  if (rounded < bytes || length < 0) throw std::bad_alloc();
  const int fd = memfd_create("tutti", MFD_CLOEXEC);
  if (fd < 0) return {};
  std::byte* const data = fallocate(fd, 0, 0, length) == 0 ? map(fd, rounded) : nullptr;
  if (data == nullptr) {
    ::close(fd);
    throw std::bad_alloc();
  }
  return {data, rounded, fd};
}

SharedMemory SharedMemory::open(pid_t process, int fd, std::size_t bytes) {
  char path[64];
  std::snprintf(path, sizeof path, "/proc/%d/fd/%d", static_cast<int>(process), fd);
  const int theirs = ::open(path, O_RDWR | O_CLOEXEC);
  if (theirs < 0) throw std::bad_alloc();
  struct stat status {};
  const bool is_whole = fstat(theirs, &status) == 0 && status.st_size >= static_cast<off_t>(bytes);
  std::byte* const data = is_whole ? map(theirs, bytes) : nullptr;
  ::close(theirs);
  if (data == nullptr) throw std::bad_alloc();
  return {data, bytes, -1};
}

void SharedMemory::close() noexcept {
  if (data_ != nullptr) munmap(data_, bytes_);
  if (fd_ >= 0) ::close(fd_);
}

}  // namespace tutti::detail
