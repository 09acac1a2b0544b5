// Memory without a name that processes of one node map together.
//
// It is an anonymous file (memfd_create). Its owner keeps the descriptor; another process maps it through
// /proc/PID/fd/DESCRIPTOR, which needs no more than the same user. So nothing is left when a process is killed.
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <utility>

namespace tutti::detail {

class SharedMemory {
 public:
  SharedMemory() = default;

  /// `bytes` of zeros that are there: memory that a limit refuses is an error here and no signal later. A multiple of
  /// pages is taken. Empty if the process has no descriptor left. \throws std::bad_alloc
  static SharedMemory create(std::size_t bytes);

  /// The same memory as another process sees it as descriptor `fd`. \throws std::bad_alloc if it cannot be mapped.
  static SharedMemory open(pid_t process, int fd, std::size_t bytes);

  ~SharedMemory() { close(); }
  SharedMemory(SharedMemory&& other) noexcept
      : data_(std::exchange(other.data_, nullptr)), bytes_(other.bytes_), fd_(std::exchange(other.fd_, -1)) {}
  SharedMemory& operator=(SharedMemory&& other) noexcept {
    if (this != &other) {
      close();
      data_ = std::exchange(other.data_, nullptr);
      bytes_ = other.bytes_;
      fd_ = std::exchange(other.fd_, -1);
    }
    return *this;
  }

  explicit operator bool() const noexcept { return data_ != nullptr; }
  std::byte* data() const noexcept { return data_; }
  std::size_t bytes() const noexcept { return bytes_; }

  /// The owner's descriptor; -1 for memory of another process.
  int fd() const noexcept { return fd_; }

 private:
  SharedMemory(std::byte* data, std::size_t bytes, int fd) noexcept : data_(data), bytes_(bytes), fd_(fd) {}
  void close() noexcept;

  std::byte* data_ = nullptr;
  std::size_t bytes_ = 0;
  int fd_ = -1;
};

}  // namespace tutti::detail
