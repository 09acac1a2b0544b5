#include "tools/perf/floor.hpp"

#include <sys/mman.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <new>
#include <vector>

#include <tutti/collectives/inspect/mpi.hpp>
#include <tutti/kernels/copy.hpp>
#include <tutti/kernels/reduce.hpp>

#include "tools/perf/spans.hpp"

namespace tutti::tools {
namespace {

using detail::check_mpi;

constexpr std::size_t kTimesTheCaches = 4;  // what a row has to move
constexpr std::size_t kTimesToCopy = 8;     // twice as much, in case caches are larger than the kernel of a guest says
constexpr int kTurns = 10;

struct Free {
  void operator()(std::byte* memory) const noexcept { std::free(memory); }
};
using Memory = std::unique_ptr<std::byte[], Free>;

/// On huge pages where the kernel has them for those that ask: no memory is faster. Touched by this rank first, so it
/// is near.
Memory near_memory(std::size_t bytes) {
  constexpr std::size_t kHuge = std::size_t{2} << 20;
  const std::size_t rounded = (bytes + kHuge - 1) / kHuge * kHuge;
  Memory memory(static_cast<std::byte*>(std::aligned_alloc(kHuge, rounded)));
  if (!memory) throw std::bad_alloc();
  madvise(memory.get(), rounded, MADV_HUGEPAGE);
  std::memset(memory.get(), 1, rounded);
  return memory;
}

/// Turns of `part` on the ranks that have one, each after a barrier: the fastest, in microseconds; alike on all ranks.
/// The fastest, since what disturbs the others is no limit.
template <class Part>
double fastest(const Communicator& comm, bool takes_part, Part part) {
  Spans spans;
  for (int i = 0; i < kTurns; ++i) {
    check_mpi(MPI_Barrier(comm.mpi()), "MPI_Barrier");
    takes_part ? spans.time(part) : spans.skip();
  }
  const auto times = spans.microseconds(comm);
  double least = std::max(*std::min_element(times.begin(), times.end()), 1e-3);
  check_mpi(MPI_Bcast(&least, 1, MPI_DOUBLE, 0, comm.mpi()), "MPI_Bcast");
  return least;
}

/// Bytes per microsecond, loaded and stored, of copying from one half of `bytes` of a rank to the other, forth and back
/// in turn: what was loaded last is not loaded next, since caches could have kept it when stores bypass them. Through
/// the caches or past them, whichever is faster.
double copying(const Communicator& comm, bool all, std::byte* memory, std::size_t bytes) {
  const std::size_t half = bytes / 2;
  const bool takes_part = all || comm.rank() == 0;
  bool forth = false;
  const auto turn = [&](auto copy) {
    return fastest(comm, takes_part, [&] {
      forth = !forth;
      forth ? copy(memory + half, memory, half) : copy(memory, memory + half, half);
    });
  };
  const double time = std::min(turn([](void* to, const void* from, std::size_t n) { std::memcpy(to, from, n); }),
                               turn([](void* to, const void* from, std::size_t n) { stream_bytes(to, from, n); }));
  return (all ? comm.size() : 1) * 2.0 * static_cast<double>(half) / time;
}

/// Bytes per microsecond that a rank reduces with others, in pieces that stay in cache: the fastest turn of any rank,
/// since a rank that has no core of its own is no faster.
double reducing(const Communicator& comm, ReduceOp op, DType dtype) {
  constexpr std::size_t kPiece = 2048;
  constexpr int kRepetitions = 200;
  using Clock = std::chrono::steady_clock;
  const auto inputs = static_cast<std::size_t>(std::min(comm.size(), 8));
  std::vector<std::byte> memory((inputs + 1) * kPiece);  // zeros, which every type and operator takes
  const std::size_t count = kPiece / size_of(dtype);
  std::vector<ConstBuffer> pieces;
  for (std::size_t i = 0; i < inputs; ++i) pieces.emplace_back(memory.data() + i * kPiece, count, dtype);
  const Buffer out(memory.data() + inputs * kPiece, count, dtype);
  auto least = std::chrono::duration<double, std::micro>::max();
  for (int turn = 0; turn < 10 * kTurns; ++turn) {
    const auto start = Clock::now();
    for (int i = 0; i < kRepetitions; ++i) reduce_all(op, pieces, out);
    least = std::min<std::chrono::duration<double, std::micro>>(least, Clock::now() - start);
  }
  const double mine = std::max(least.count(), 1e-3);
  double fastest = 0;
  check_mpi(MPI_Allreduce(&mine, &fastest, 1, MPI_DOUBLE, MPI_MIN, comm.mpi()), "MPI_Allreduce");
  return kRepetitions * static_cast<double>((inputs - 1) * kPiece) / fastest;
}

/// Of the last-level caches, by rank 0's knowledge; nothing where there is no floor. Collective.
std::optional<std::size_t> caches_below(const Communicator& comm, const NodeWork& largest) {
  if (comm.size() == 1 || comm.topology().nodes > 1) return std::nullopt;
  std::uint64_t bytes = cache_bytes_of(last_level_caches(), comm.size());
  check_mpi(MPI_Bcast(&bytes, 1, MPI_UINT64_T, 0, comm.mpi()), "MPI_Bcast");
  return exceeds_caches(largest.moved, bytes) ? std::optional(bytes) : std::nullopt;
}

}  // namespace

std::size_t cache_bytes_of(const LastLevelCaches& caches, int ranks) {
  return caches.bytes * static_cast<std::size_t>(std::min(caches.count, ranks));
}

bool exceeds_caches(double moved_bytes, std::size_t cache_bytes) {
  return cache_bytes > 0 && moved_bytes >= static_cast<double>(kTimesTheCaches * cache_bytes);
}

std::optional<MemoryFloor> measure_floor(const Communicator& comm, const NodeWork& largest, ReduceOp op, DType dtype) {
  const auto caches = caches_below(comm, largest);
  if (!caches) return std::nullopt;
  const std::size_t alone = kTimesToCopy * *caches;
  const std::size_t together = alone / static_cast<std::size_t>(comm.size());
  const Memory memory = near_memory(comm.rank() == 0 ? alone : together);
  MemoryFloor floor{.cache_bytes = *caches};
  floor.node_gb_s = copying(comm, true, memory.get(), together) / 1e3;
  floor.core_gb_s = std::max(copying(comm, false, memory.get(), alone) / 1e3, floor.node_gb_s / comm.size());
  if (largest.reduced > 0) floor.reduce_gb_s = reducing(comm, op, dtype) / 1e3;
  return floor;
}

std::size_t floor_memory(const Communicator& comm, const NodeWork& largest) {
  const auto caches = caches_below(comm, largest);
  return caches ? 2 * kTimesToCopy * *caches / static_cast<std::size_t>(comm.size()) : 0;
}

std::optional<double> floor_time(const MemoryFloor& floor, int ranks, const NodeWork& work) {
  if (!exceeds_caches(work.moved, floor.cache_bytes)) return std::nullopt;
  const auto microseconds = [](double bytes, double gb_s) { return bytes / gb_s / 1e3; };
  double least = std::max(microseconds(work.moved, floor.node_gb_s), microseconds(work.moved / ranks, floor.core_gb_s));
  if (floor.reduce_gb_s) least = std::max(least, microseconds(work.reduced / ranks, *floor.reduce_gb_s));
  return least;
}

}  // namespace tutti::tools
