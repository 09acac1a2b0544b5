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
#include <system_error>
#include <utility>

#include <tutti/collectives/system/shared_memory.hpp>
#include <tutti/kernels/error.hpp>
#include <tutti/kernels/text.hpp>

namespace tutti::detail {
namespace {

/// At `where`, in the place of what is there, or anywhere.
std::byte* map(int fd, std::size_t bytes, std::byte* where, int flags) noexcept {
  void* const data = mmap(where, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | flags, fd, 0);
  return data == MAP_FAILED ? nullptr : static_cast<std::byte*>(data);
}

/// The process's limit, or the largest number if it has none.
rlim_t limit_of(decltype(RLIMIT_NOFILE) what) noexcept {
  rlimit limit{};
  return getrlimit(what, &limit) == 0 ? limit.rlim_cur : RLIM_INFINITY;
}

[[noreturn]] void throw_refused(std::size_t bytes, const char* call) {
  const std::string why = std::generic_category().message(errno);
  throw OutOfMemory(text(in_words(bytes), " of memory asked for, which the system refuses (", call, ": ", why, ")"));
}

/// In pieces, since a signal that comes meanwhile undoes the whole call.
void reserve(int fd, std::size_t bytes, Claims claims) {
  MemoryClaim claim(bytes, std::move(claims));
  constexpr std::size_t kPiece = std::size_t{8} << 20;
  for (std::size_t first = 0; first < bytes;) {
    const std::size_t count = std::min(kPiece, bytes - first);
    if (fallocate(fd, 0, static_cast<off_t>(first), static_cast<off_t>(count)) == 0) {
      first += count;
      claim.took(count);
    } else if (errno != EINTR) {
      throw_refused(bytes, "fallocate");
    }
  }
}

}  // namespace

SharedMemory SharedMemory::create(std::size_t bytes, const char* name, Claims claims) {
  const auto page = static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
  const std::size_t rounded = (bytes + page - 1) / page * page;
  if (rounded < bytes || rounded > static_cast<std::size_t>(std::numeric_limits<off_t>::max())) {
    throw OutOfMemory(text(bytes, " bytes of memory asked for, more than any file holds"));
  }
  if (rounded > limit_of(RLIMIT_FSIZE)) return {};  // a signal would end the process
  const int fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);
  if (fd < 0) return {};
  struct stat status {};
  if (static_cast<rlim_t>(fd) >= limit_of(RLIMIT_NOFILE) / 2 || fstat(fd, &status) != 0) {
    ::close(fd);
    return {};
  }
  // First the addresses, which cost nothing, then the memory.
  std::byte* const data = map(fd, rounded, nullptr, 0);
  SharedMemory memory(data, rounded, status.st_ino, fd);
  if (data == nullptr) throw_refused(bytes, "mmap");
  reserve(fd, rounded, std::move(claims));
  if (map(fd, rounded, data, MAP_FIXED | MAP_POPULATE) == nullptr) throw_refused(bytes, "mmap");
  return memory;
}

SharedMemory SharedMemory::open(pid_t process, int fd, std::uint64_t inode, std::size_t bytes) {
  char path[64];
  std::snprintf(path, sizeof path, "/proc/%d/fd/%d", static_cast<int>(process), fd);
  const int theirs = ::open(path, O_RDWR | O_CLOEXEC);
  if (theirs < 0) throw std::bad_alloc();
  struct stat status {};
  const bool is_it =
      fstat(theirs, &status) == 0 && status.st_ino == inode && status.st_size >= static_cast<off_t>(bytes);
  std::byte* const data = is_it ? map(theirs, bytes, nullptr, 0) : nullptr;
  ::close(theirs);
  if (data == nullptr) throw std::bad_alloc();
  return {data, bytes, inode, -1};
}

void SharedMemory::close() noexcept {
  if (data_ != nullptr) munmap(data_, bytes_);
  if (fd_ >= 0) ::close(fd_);
}

}  // namespace tutti::detail
