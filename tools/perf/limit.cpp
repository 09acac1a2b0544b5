#include "tools/perf/limit.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <chrono>
#include <vector>

#include <tutti/collectives/inspect/mpi.hpp>
#include <tutti/kernels/clock.hpp>

namespace tutti::tools {
namespace {

using Clock = std::chrono::steady_clock;
using detail::check_mpi;

constexpr std::array<std::size_t, 3> kMessages = {std::size_t{64} << 10, std::size_t{1} << 20, std::size_t{16} << 20};
constexpr int kTag = 1;

/// A communicator of its own, so that these messages meet nobody's.
class Messages {
 public:
  Messages(const Communicator& comm, std::size_t bytes)
      : rank_(comm.rank()), size_(comm.size()), memory_(comm.allocate_bytes(2 * bytes)), bytes_(bytes) {
    check_mpi(MPI_Comm_dup(comm.mpi(), &comm_), "MPI_Comm_dup");
  }
  ~Messages() { MPI_Comm_free(&comm_); }
  Messages(const Messages&) = delete;
  Messages& operator=(const Messages&) = delete;

  int rank() const { return rank_; }
  int size() const { return size_; }
  void meet() const { check_mpi(MPI_Barrier(comm_), "MPI_Barrier"); }

  void send(int to, std::size_t bytes) const {
    check_mpi(MPI_Send(memory_.get(), static_cast<int>(bytes), MPI_BYTE, to, kTag, comm_), "MPI_Send");
  }
  void receive(int from, std::size_t bytes) const {
    check_mpi(MPI_Recv(second(), static_cast<int>(bytes), MPI_BYTE, from, kTag, comm_, MPI_STATUS_IGNORE), "MPI_Recv");
  }
  void exchange(int to, int from, std::size_t bytes) const {
    check_mpi(MPI_Sendrecv(memory_.get(), static_cast<int>(bytes), MPI_BYTE, to, kTag, second(),
                           static_cast<int>(bytes), MPI_BYTE, from, kTag, comm_, MPI_STATUS_IGNORE),
              "MPI_Sendrecv");
  }

  /// The fastest of turns, each of which counts for all ranks as `how` says; valid on rank 0. The fastest, since what
  /// disturbs the others is no limit.
  double fastest(const std::vector<double>& turns, MPI_Op how) const {
    std::vector<double> all(turns.size());
    check_mpi(MPI_Reduce(turns.data(), all.data(), static_cast<int>(all.size()), MPI_DOUBLE, how, 0, comm_),
              "MPI_Reduce");
    return *std::min_element(all.begin(), all.end());
  }
  void broadcast(double& value) const { check_mpi(MPI_Bcast(&value, 1, MPI_DOUBLE, 0, comm_), "MPI_Bcast"); }

 private:
  void* second() const { return static_cast<std::byte*>(memory_.get()) + bytes_; }

  int rank_;
  int size_;
  std::shared_ptr<void> memory_;
  std::size_t bytes_;
  MPI_Comm comm_ = MPI_COMM_NULL;
};

/// Half of there and back, between ranks that are half of all apart, all pairs at once; the fastest pair counts.
double one_way(const Messages& messages) {
  constexpr int kExchanges = 200;
  constexpr int kWarmup = 20;
  constexpr std::size_t kBytes = 8;
  const int half = messages.size() / 2;
  const int rank = messages.rank();
  std::vector<double> samples;
  for (int i = 0; i < kWarmup + kExchanges; ++i) {
    const auto start = Clock::now();
    if (rank < half) {
      messages.send(rank + half, kBytes);
      messages.receive(rank + half, kBytes);
    } else if (rank < 2 * half) {
      messages.receive(rank - half, kBytes);
      messages.send(rank - half, kBytes);
    }
    constexpr double kNoPair = 1e12;
    if (i >= kWarmup) samples.push_back(rank < half ? 1e6 * seconds_since(start) / 2 : kNoPair);
  }
  return messages.fastest(samples, MPI_MIN);
}

/// A rank's part after a barrier, again and again; the slowest rank's time.
template <class Part>
double time_of(const Messages& messages, std::size_t bytes, Part part) {
  constexpr int kWarmup = 3;
  const int turns = bytes > (std::size_t{1} << 20) ? 10 : 30;
  std::vector<double> samples;
  for (int i = 0; i < kWarmup + turns; ++i) {
    messages.meet();
    const auto start = Clock::now();
    part(bytes);
    if (i >= kWarmup) samples.push_back(1e6 * seconds_since(start));
  }
  return messages.fastest(samples, MPI_MAX);
}

std::size_t largest_message(std::size_t largest) { return std::clamp(largest, kMessages.front(), kMessages.back()); }

}  // namespace

std::size_t limit_memory(std::size_t largest) { return 2 * largest_message(largest); }

std::optional<MachineLimit> measure_limit(const Communicator& comm, std::size_t largest) {
  const int size = comm.size();
  const int rank = comm.rank();
  if (size == 1) return std::nullopt;
  const Messages messages(comm, largest_message(largest));
  MachineLimit limit{.one_way_us = one_way(messages)};
  for (const std::size_t bytes : kMessages) {
    if (bytes > largest_message(largest)) break;
    const double both_ways = time_of(
        messages, bytes, [&](std::size_t b) { messages.exchange((rank + 1) % size, (rank + size - 1) % size, b); });
    const double one_sided = time_of(messages, bytes, [&](std::size_t b) {
      if (rank == 0) messages.send(size - 1, b);
      if (rank == size - 1) messages.receive(0, b);
    });
    if (rank != 0) continue;  // the times are rank 0's
    limit.exchange_gb_s = std::max(limit.exchange_gb_s, static_cast<double>(bytes) / both_ways / 1e3);
    limit.one_sided_gb_s =
        std::max({limit.one_sided_gb_s, limit.exchange_gb_s, static_cast<double>(bytes) / one_sided / 1e3});
  }
  messages.broadcast(limit.one_way_us);
  messages.broadcast(limit.exchange_gb_s);
  messages.broadcast(limit.one_sided_gb_s);
  return limit;
}

int least_rounds(int ranks) { return std::bit_width(static_cast<unsigned>(ranks - 1)); }

double least_time(const MachineLimit& limit, int ranks, double bus_bytes, bool rooted) {
  const double rate = (rooted ? limit.one_sided_gb_s : limit.exchange_gb_s) * 1e3;  // bytes per microsecond
  return std::max(least_rounds(ranks) * limit.one_way_us, bus_bytes / rate);
}

}  // namespace tutti::tools
