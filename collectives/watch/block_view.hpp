// Another process's control block, or this one's, as a reader sees it.
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <utility>

#include <tutti/collectives/watch/control_block.hpp>

namespace tutti::detail {

class BlockView {
 public:
  /// Maps what process `process` has under descriptor `fd`, to be read. None if that is no control block of this
  /// version, or (with `inode`) another file, or may not be seen.
  static std::optional<BlockView> open(pid_t process, int fd, std::optional<std::uint64_t> inode = std::nullopt);

  BlockView(BlockView&& other) noexcept
      : data_(std::exchange(other.data_, nullptr)), bytes_(std::exchange(other.bytes_, 0)) {}
  BlockView& operator=(BlockView&& other) noexcept {
    std::swap(data_, other.data_);
    std::swap(bytes_, other.bytes_);
    return *this;
  }
  ~BlockView();

  const ControlBlock& block() const noexcept { return *reinterpret_cast<const ControlBlock*>(data_); }
  const Record* records() const noexcept { return reinterpret_cast<const Record*>(data_ + kRecordsOffset); }

 private:
  BlockView(const std::byte* data, std::size_t bytes) noexcept : data_(data), bytes_(bytes) {}

  const std::byte* data_ = nullptr;
  std::size_t bytes_ = 0;
};

}  // namespace tutti::detail
