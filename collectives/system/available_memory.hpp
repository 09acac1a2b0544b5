// What memory a process may still take: what the machine has, and what the control groups of the process leave. Large
// allocations ask here first, because the kernel refuses nothing: it ends a process when there is no more, and for
// memory that several map mostly one that has nothing to do with it.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace tutti::detail {

/// Less than this is given without a look at what there is, which takes about 0.1 ms.
inline constexpr std::size_t kLookFrom = std::size_t{1} << 20;

/// Bytes that are left of one limit. Page cache that can be dropped counts as left.
struct MemoryLimit {
  std::uint64_t group = 0;  ///< identifies a control group; 0: the machine
  std::uint64_t available = 0;
  std::string where;  ///< "on this machine (MemAvailable)", "in control group /job (limit 2 GiB)"
};

/// Those of the machine and of all control groups above this process that have a limit, of version 1 and 2. What cannot
/// be read limits nothing. `root` is put before the names of all files.
std::vector<MemoryLimit> memory_limits(const std::string& root = {});

/// The control groups of this process, those that hold the others last; zeros behind them.
using MemoryGroups = std::array<std::uint64_t, 12>;
MemoryGroups memory_groups(const std::string& root = {});

/// What other processes of the node take at the moment.
struct OtherClaim {
  const std::atomic<std::uint64_t>* bytes;  ///< not touched yet
  MemoryGroups groups;
};

/// Whom a claim concerns; by default nobody else.
struct Claims {
  std::atomic<std::uint64_t>* own = nullptr;  ///< where others see what this process takes
  std::vector<OtherClaim> others = {};
  std::string root = {};  ///< of memory_limits()
};

/// Memory that is taken bit by bit: at first none of it is there. What other processes take at the same time is
/// counted, of those that share a limit.
class MemoryClaim {
 public:
  /// \throws OutOfMemory if there are not so many bytes left.
  MemoryClaim(std::size_t bytes, Claims claims);
  ~MemoryClaim();
  MemoryClaim(const MemoryClaim&) = delete;
  MemoryClaim& operator=(const MemoryClaim&) = delete;

  /// So many bytes more are there. Looks again now and then, since programs that nobody knows of take memory as well.
  /// \throws OutOfMemory if the rest is not left any more.
  void took(std::size_t bytes);

 private:
  enum class Beside : bool { nobody, others };
  void look(Beside beside) const;

  Claims claims_;
  std::size_t asked_;
  std::size_t rest_;
  std::size_t looked_at_;  ///< the rest when last looked
};

/// A claim of memory that the kernel gives when it is touched, later. \throws OutOfMemory
void require_memory(std::size_t bytes);

/// "3.5 GiB"
std::string in_words(std::uint64_t bytes);

}  // namespace tutti::detail
