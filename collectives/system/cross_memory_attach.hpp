// Cross-memory attach (CMA): memory of another process read where it lies (process_vm_readv), which needs no mapping.
// The system has to permit it, as it permits a debugger: ptrace_scope, containers and seccomp may not.
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <optional>

namespace tutti::detail {

/// When ranks read each other's memory so.
enum class CrossMemoryAttach : std::uint8_t { never, where_faster, where_permitted };

/// What the environment variable TUTTI_CMA says: 0 never, 1 where it is permitted, and without it where that
/// also measures faster than staging. \throws InvalidArgument
CrossMemoryAttach wanted_cross_memory();

/// Whether reads measured faster than staging: what this process has found last, for its other communicators.
std::optional<bool> measured_reads_faster() noexcept;
void remember_reads_faster(bool faster) noexcept;

/// Memory of another process.
struct RemoteMemory {
  pid_t process;
  std::uint64_t address;
};

/// Copies `bytes` bytes to `to`. Zero, or what errno says: ESRCH if the process is gone, EFAULT if the memory is.
int read_memory(const RemoteMemory& from, void* to, std::size_t bytes) noexcept;

/// Whether others may find these bytes so, judged by the first and the last: memory of devices is only for its process.
bool can_be_read(const void* data, std::size_t bytes) noexcept;

}  // namespace tutti::detail
