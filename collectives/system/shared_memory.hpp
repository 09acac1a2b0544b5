// Memory without a name that processes of one node map together.
//
// It is an anonymous file (memfd_create). Its owner keeps the descriptor; another process maps it through
// /proc/PID/fd/DESCRIPTOR, which needs no more than the same user. So nothing is left when a process is killed.
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <utility>

#include <tutti/collectives/system/available_memory.hpp>

namespace tutti::detail {

class SharedMemory {
 public:
  SharedMemory() = default;

  /// `bytes` of zeros that are there: what there is not is an error here and no signal later, of this process or
  /// another. A multiple of pages is taken. Empty if the process has used half of the descriptors that it may have, or
  /// may not have files so large. The file is called `name` in /proc. \throws OutOfMemory
  static SharedMemory create(std::size_t bytes, const char* name = "tutti", Claims claims = {});

  /// The same memory as another process has it under descriptor `fd`, if that is still file `inode`. Pages are mapped
  /// when they are touched. \throws std::bad_alloc if it cannot be mapped.
  static SharedMemory open(pid_t process, int fd, std::uint64_t inode, std::size_t bytes);

  ~SharedMemory() { close(); }
  SharedMemory(SharedMemory&& other) noexcept
      : data_(std::exchange(other.data_, nullptr)),
        bytes_(other.bytes_),
        inode_(other.inode_),
        fd_(std::exchange(other.fd_, -1)) {}
  SharedMemory& operator=(SharedMemory&& other) noexcept {
    if (this != &other) {
      close();
      data_ = std::exchange(other.data_, nullptr);
      bytes_ = other.bytes_;
      inode_ = other.inode_;
      fd_ = std::exchange(other.fd_, -1);
    }
    return *this;
  }

  explicit operator bool() const noexcept { return data_ != nullptr; }
  std::byte* data() const noexcept { return data_; }
  std::size_t bytes() const noexcept { return bytes_; }

  /// The owner's descriptor; -1 for memory of another process.
  int fd() const noexcept { return fd_; }

  /// Of the file, by which others know that a descriptor's number has not been used again.
  std::uint64_t inode() const noexcept { return inode_; }

 private:
  SharedMemory(std::byte* data, std::size_t bytes, std::uint64_t inode, int fd) noexcept
      : data_(data), bytes_(bytes), inode_(inode), fd_(fd) {}
  void close() noexcept;

  std::byte* data_ = nullptr;
  std::size_t bytes_ = 0;
  std::uint64_t inode_ = 0;
  int fd_ = -1;
};

}  // namespace tutti::detail
