// Mapping a control block to read it; see block_view.hpp.
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <bit>
#include <cstdio>

#include <tutti/collectives/watch/block_view.hpp>

namespace tutti::detail {
namespace {

/// Whether the file is as long as what its head tells, and can never become shorter, which would end whoever reads it.
bool is_whole(int fd, std::size_t bytes) {
  const int seals = fcntl(fd, F_GET_SEALS);
  return bytes >= kRecordsOffset && seals >= 0 && (seals & F_SEAL_SHRINK) != 0;
}

bool is_block(const ControlBlock& block, std::size_t bytes) {
  return block.magic.load(std::memory_order_acquire) == kBlockMagic && block.version == kBlockVersion &&
         std::has_single_bit(block.record_count) && block_bytes(block.record_count) <= bytes;
}

}  // namespace

std::optional<BlockView> BlockView::open(pid_t process, int fd, std::optional<std::uint64_t> inode) {
  char path[64];
  std::snprintf(path, sizeof path, "/proc/%d/fd/%d", static_cast<int>(process), fd);
  const int theirs = ::open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (theirs < 0) return std::nullopt;
  struct stat status {};
  void* data = MAP_FAILED;
  std::size_t bytes = 0;
  if (fstat(theirs, &status) == 0 && S_ISREG(status.st_mode) && (!inode || status.st_ino == *inode)) {
    bytes = static_cast<std::size_t>(status.st_size);
    if (is_whole(theirs, bytes)) data = mmap(nullptr, bytes, PROT_READ, MAP_SHARED, theirs, 0);
  }
  ::close(theirs);
  if (data == MAP_FAILED) return std::nullopt;
  BlockView view(static_cast<const std::byte*>(data), bytes);
  if (!is_block(view.block(), bytes)) return std::nullopt;
  return view;
}

BlockView::~BlockView() {
  if (data_ != nullptr) munmap(const_cast<std::byte*>(data_), bytes_);
}

}  // namespace tutti::detail
