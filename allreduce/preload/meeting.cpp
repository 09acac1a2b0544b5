// Meetings of ranks; see meeting.hpp.
#include "allreduce/preload/meeting.hpp"

#include <sched.h>

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <thread>
#include <vector>

#include <tutti/collectives/inspect/mpi.hpp>
#include <tutti/collectives/system/leak_until_exit.hpp>
#include <tutti/kernels/clock.hpp>
#include <tutti/kernels/error.hpp>
#include <tutti/kernels/text.hpp>

namespace tutti::preload {
namespace {

using Clock = std::chrono::steady_clock;

int rank_of(MPI_Comm comm) {
  int rank = 0;
  PMPI_Comm_rank(comm, &rank);
  return rank;
}

int size_of(MPI_Comm comm) {
  int size = 1;
  PMPI_Comm_size(comm, &size);
  return size;
}

Clock::time_point after(Clock::time_point begin, std::optional<std::chrono::duration<double>> time) {
  constexpr std::chrono::duration<double> kMost = std::chrono::hours(24 * 365);
  if (!time) return Clock::time_point::max();
  return begin + std::chrono::duration_cast<Clock::duration>(std::min(*time, kMost));
}

}  // namespace

bool wait_until(MPI_Request& request, Clock::time_point end) {
  constexpr int kSpins = 100;
  constexpr int kYields = 1000;
  constexpr int kShare = 16;  // of the wait so far that a sleep may take
  constexpr Clock::duration kShortest = std::chrono::microseconds(50);
  constexpr Clock::duration kLongest = std::chrono::milliseconds(4);
  const auto begin = Clock::now();
  for (int tries = 0;; ++tries) {
    int done = 0;
    detail::check_mpi(PMPI_Test(&request, &done, MPI_STATUS_IGNORE), "MPI_Test");
    if (done != 0) return true;
    if (tries < kSpins) continue;
    const auto now = Clock::now();
    if (now >= end) return false;
    if (tries < kSpins + kYields) {
      sched_yield();
    } else {
      std::this_thread::sleep_for(std::clamp((now - begin) / kShare, kShortest, kLongest));
    }
  }
}

Rendezvous::Rendezvous(MPI_Comm comm, const char* where, const WaitLimits& patience)
    : Bootstrap(rank_of(comm), size_of(comm)), comm_(comm), where_(where), patience_(patience) {}

void Rendezvous::wait(MPI_Request request, const std::shared_ptr<void>& memory) {
  const auto begin = Clock::now();
  const auto end = after(begin, patience_.timeout);
  try {
    const auto warn_at = after(begin, patience_.warning);
    if (!warned_ && patience_.warning.count() > 0 && warn_at < end) {
      if (wait_until(request, warn_at)) return;
      warned_ = true;
      std::fprintf(stderr,
                   "tutti: warning: rank %d of %d: %s: no progress for %.1f s; not all ranks are in that call\n",
                   rank(), size(), where_, seconds_since(begin));
    }
    if (wait_until(request, end)) return;
    throw RanksMissing(
        text(where_, ": no progress for ", patience_.timeout->count(), " s; not all ranks are in that call"));
  } catch (...) {
    detail::leak_until_exit(memory);
    throw;
  }
}

void Rendezvous::all_gather(const void* own, void* all, std::size_t bytes) {
  const std::size_t total = bytes * static_cast<std::size_t>(size());
  const auto memory = std::make_shared<std::vector<std::byte>>(bytes + total);
  std::memcpy(memory->data(), own, bytes);
  const int count = static_cast<int>(bytes);
  MPI_Request request = MPI_REQUEST_NULL;
  detail::check_mpi(
      PMPI_Iallgather(memory->data(), count, MPI_BYTE, memory->data() + bytes, count, MPI_BYTE, comm_, &request),
      "MPI_Iallgather");
  wait(request, memory);
  std::memcpy(all, memory->data() + bytes, total);
}

void Rendezvous::broadcast(void* data, std::size_t bytes, int root) {
  const auto memory = std::make_shared<std::vector<std::byte>>(bytes);
  std::memcpy(memory->data(), data, bytes);
  MPI_Request request = MPI_REQUEST_NULL;
  detail::check_mpi(PMPI_Ibcast(memory->data(), static_cast<int>(bytes), MPI_BYTE, root, comm_, &request),
                    "MPI_Ibcast");
  wait(request, memory);
  std::memcpy(data, memory->data(), bytes);
}

}  // namespace tutti::preload
