#include <tutti/trainer/run/cores.hpp>

#include <sched.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdint>
#include <cstdlib>
#include <span>
#include <string_view>
#include <vector>

#include <tutti/collectives/collectives.hpp>
#include <tutti/kernels/control_groups.hpp>
#include <tutti/kernels/error.hpp>
#include <tutti/kernels/text.hpp>

namespace tutti::trainer {

namespace {

constexpr std::size_t kSeatWords = sizeof(Seat) / sizeof(std::uint64_t);

Seat own_seat(const Communicator& comm) {
  Seat seat{.node = static_cast<std::uint64_t>(comm.topology().node), .processors = {}};
  auto* mask = reinterpret_cast<cpu_set_t*>(seat.processors.data());
  if (sched_getaffinity(0, sizeof(seat.processors), mask) != 0) seat.processors[0] = 1;
  return seat;
}

bool may_use(const Seat& seat, std::size_t processor) {
  return (seat.processors[processor / 64] >> processor % 64 & 1) != 0;
}

/// OMP_NUM_THREADS may hold a list, a number for each level of nesting: the first counts.
int threads_of_openmp(std::string_view value) {
  int threads = 0;
  const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), threads);
  const bool whole = end == value.data() + value.size() || *end == ',';
  if (error != std::errc() || !whole || threads < 1)
    throw InvalidArgument(text("OMP_NUM_THREADS=", value, " is no number of threads"));
  return threads;
}

}  // namespace

int threads_for(const Seat& mine, std::span<const Seat> all, std::optional<double> quota) {
  double share = 0.0;
  for (std::size_t processor = 0; processor < mine.processors.size() * 64; ++processor) {
    if (!may_use(mine, processor)) continue;
    const auto users = std::count_if(
        all.begin(), all.end(), [&](const Seat& seat) { return seat.node == mine.node && may_use(seat, processor); });
    share += 1.0 / static_cast<double>(users);
  }
  if (quota) {
    const auto ranks = std::count_if(all.begin(), all.end(), [&](const Seat& seat) { return seat.node == mine.node; });
    share = std::min(share, *quota / static_cast<double>(ranks));
  }
  constexpr double kRounding = 1e-9;  // thirds of processors add up to a little less than one
  return std::max(1, static_cast<int>(share + kRounding));
}

int default_threads(const Communicator& comm) {
  const Seat mine = own_seat(comm);
  std::vector<Seat> all(static_cast<std::size_t>(comm.size()));
  all_gather(comm, std::span(reinterpret_cast<const std::uint64_t*>(&mine), kSeatWords),
             std::span(reinterpret_cast<std::uint64_t*>(all.data()), all.size() * kSeatWords));
  const char* openmp = std::getenv("OMP_NUM_THREADS");
  if (openmp != nullptr && *openmp != '\0') return threads_of_openmp(openmp);
  return threads_for(mine, all, processor_quota());
}

}  // namespace tutti::trainer
