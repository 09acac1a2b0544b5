// Reading memory of other processes; see cross_memory_attach.hpp.
#include <sys/uio.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstdlib>
#include <string_view>

#include <tutti/collectives/system/cross_memory_attach.hpp>
#include <tutti/kernels/error.hpp>
#include <tutti/kernels/text.hpp>

namespace tutti::detail {

CrossMemoryAttach wanted_cross_memory() {
  const char* const said = std::getenv("TUTTI_CMA");
  if (said == nullptr || *said == '\0') return CrossMemoryAttach::where_faster;
  const std::string_view word = said;
  if (word == "0") return CrossMemoryAttach::never;
  if (word == "1") return CrossMemoryAttach::where_permitted;
  throw InvalidArgument(text("TUTTI_CMA: '", word, "' is not 0 or 1"));
}

namespace {

enum class Found : std::uint8_t { nothing, reads_slower, reads_faster };
std::atomic<Found> found{Found::nothing};

}  // namespace

std::optional<bool> measured_reads_faster() noexcept {
  const Found last = found.load(std::memory_order_relaxed);
  return last == Found::nothing ? std::nullopt : std::optional(last == Found::reads_faster);
}

void remember_reads_faster(bool faster) noexcept {
  found.store(faster ? Found::reads_faster : Found::reads_slower, std::memory_order_relaxed);
}

int read_memory(const RemoteMemory& from, void* to, std::size_t bytes) noexcept {
  for (std::size_t done = 0; done < bytes;) {
    const iovec here = {static_cast<std::byte*>(to) + done, bytes - done};
    // NOLINTNEXTLINE(performance-no-int-to-ptr): an address of the other process
    const iovec there = {reinterpret_cast<void*>(from.address + done), bytes - done};
    const ssize_t count = process_vm_readv(from.process, &here, 1, &there, 1, 0);
    if (count > 0) {
      done += static_cast<std::size_t>(count);
    } else if (count == 0 || errno != EINTR) {
      return count == 0 ? EFAULT : errno;
    }
  }
  return 0;
}

bool can_be_read(const void* data, std::size_t bytes) noexcept {
  if (bytes == 0) return false;
  const auto first = reinterpret_cast<std::uintptr_t>(data);
  std::byte ends[2];
  const iovec here = {ends, sizeof ends};
  // NOLINTNEXTLINE(performance-no-int-to-ptr): an address
  const iovec there[] = {{reinterpret_cast<void*>(first), 1}, {reinterpret_cast<void*>(first + bytes - 1), 1}};
  return process_vm_readv(getpid(), &here, 1, there, 2, 0) == sizeof ends;
}

}  // namespace tutti::detail
