#include "tools/tune/measure.hpp"

#include <algorithm>
#include <array>
#include <chrono>
#include <functional>
#include <span>
#include <thread>
#include <vector>

#include <tutti/collectives/inspect/communicator.hpp>
#include <tutti/collectives/inspect/mpi.hpp>
#include <tutti/kernels/clock.hpp>
#include <tutti/kernels/copy.hpp>
#include <tutti/kernels/error.hpp>
#include <tutti/kernels/reduce.hpp>
#include <tutti/kernels/text.hpp>

namespace tutti::tools {
namespace {

using Clock = std::chrono::steady_clock;
using detail::check_mpi;

constexpr int kTag = 1717;
constexpr int kRounds = 11;
constexpr int kSmallRepeats = 100;
constexpr int kLargeRepeats = 3;
constexpr int kBurst = 16;
constexpr std::size_t kSmall = 8;
constexpr std::size_t kLarge = std::size_t{1} << 20;
constexpr std::size_t kLarger = std::size_t{4} << 20;
constexpr auto kPatience = std::chrono::seconds(60);

/// Rounds of what `sample` returns; one round before does not count. All ranks that take part make as many.
Rounds measure_rounds(const std::function<double()>& sample) {
  sample();
  std::vector<double> samples(kRounds);
  for (double& one : samples) one = sample();
  return rounds_of(samples);
}

/// One of the two ranks, with the other one.
class Side {
 public:
  Side(const Communicator& comm, const RankPair& pair)
      : state_(comm.state()),
        peer_(comm.rank() == pair.first ? pair.second : pair.first),
        first_(comm.rank() == pair.first),
        outgoing_(kLarger),
        incoming_(kLarger) {}

  /// Half of a small message's round trip.
  double one_way() {
    const auto begin = Clock::now();
    for (int i = 0; i < kSmallRepeats; ++i) {
      if (first_) send(kSmall);
      receive(kSmall);
      finish();
      if (!first_) send(kSmall);
      finish();
    }
    return seconds_since(begin) / (2 * kSmallRepeats);
  }

  /// The call that starts a small message, when the one before is done.
  double start() {
    double sum = 0;
    for (int i = 0; i < kSmallRepeats; ++i) {
      receive(kSmall);
      const auto begin = Clock::now();
      send(kSmall);
      sum += seconds_since(begin);
      finish();
    }
    return sum / kSmallRepeats;
  }

  /// So many messages both ways at once.
  double exchange(int messages, std::size_t bytes) {
    const int repeats = bytes > kSmall ? kLargeRepeats : kSmallRepeats;
    const auto begin = Clock::now();
    for (int i = 0; i < repeats; ++i) {
      for (int m = 0; m < messages; ++m) receive(bytes);
      for (int m = 0; m < messages; ++m) send(bytes);
      finish();
    }
    return seconds_since(begin) / repeats;
  }

 private:
  void send(std::size_t bytes) {
    state_.transport().send(peer_, kTag, std::span<const std::byte>(outgoing_).first(bytes), pending_);
  }
  void receive(std::size_t bytes) {
    state_.transport().receive(peer_, kTag, std::span(incoming_).first(bytes), pending_);
  }
  void finish() {
    detail::Waiter waiter(state_.wait_policy(), state_.transport(), false);
    const auto begin = Clock::now();
    while (pending_.messages > 0) {
      if (state_.transport().progress()) continue;
      const auto now = Clock::now();
      if (now - begin > kPatience) throw CommunicationError(text("tune: rank ", peer_, " does not answer"));
      waiter.pause(now);
    }
  }

  detail::CommunicatorState& state_;
  int peer_;
  bool first_;
  std::vector<std::byte> outgoing_;
  std::vector<std::byte> incoming_;
  detail::Pending pending_;
};

/// Seconds per byte of `work` on kLarger bytes.
Rounds per_byte(const std::function<void()>& work) {
  return measure_rounds([&] {
    const auto begin = Clock::now();
    work();
    return seconds_since(begin) / static_cast<double>(kLarger);
  });
}

// In the order of kMeasuredCosts.
constexpr std::size_t kLatency = 0;
constexpr std::size_t kOverhead = 1;
constexpr std::size_t kGap = 2;
constexpr std::size_t kByte = 3;
constexpr std::size_t kReduce = 4;
constexpr std::size_t kCopy = 5;

void measure_messages(Side side, MeasuredLevel& level) {
  auto& rounds = level.rounds;
  TransportCosts& costs = level.costs;
  rounds[kLatency] = measure_rounds([&] { return side.one_way(); });
  rounds[kOverhead] = measure_rounds([&] { return side.start(); });
  costs.overhead = rounds[kOverhead].median;
  costs.latency = std::max(0.0, rounds[kLatency].median - 2 * costs.overhead);
  const double one = measure_rounds([&] { return side.exchange(1, kSmall); }).median;
  rounds[kGap] = measure_rounds([&] { return side.exchange(kBurst, kSmall); });
  costs.gap = std::max(0.0, (rounds[kGap].median - one) / (kBurst - 1));
  const double large = measure_rounds([&] { return side.exchange(1, kLarge); }).median;
  rounds[kByte] = measure_rounds([&] { return side.exchange(1, kLarger); });
  const double larger = rounds[kByte].median;
  // On a machine with other work the larger one may seem the faster.
  costs.byte =
      larger > large ? (larger - large) / static_cast<double>(kLarger - kLarge) : larger / static_cast<double>(kLarger);
}

void measure_kernels(MeasuredLevel& level) {
  std::vector<float> from(kLarger / sizeof(float), 1.0F);
  std::vector<float> to(from.size(), 1.0F);
  const Buffer out(to.data(), to.size(), DType::f32);
  const ConstBuffer in(from.data(), from.size(), DType::f32);
  level.rounds[kReduce] = per_byte([&] { reduce_local(ReduceOp::max, out, in, out); });
  level.rounds[kCopy] = per_byte([&] { copy_bytes(to.data(), from.data(), kLarger); });
  level.costs.reduce = level.rounds[kReduce].median;
  level.costs.copy = level.rounds[kCopy].median;
}

/// Waits for all ranks without taking a core from those that measure.
void meet_quietly(const Communicator& comm) {
  MPI_Request request = MPI_REQUEST_NULL;
  check_mpi(MPI_Ibarrier(comm.mpi(), &request), "MPI_Ibarrier");
  for (int done = 0; done == 0;) {
    check_mpi(MPI_Test(&request, &done, MPI_STATUS_IGNORE), "MPI_Test");
    if (done == 0) std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
}

}  // namespace

RankPairs find_pairs(const Communicator& comm) {
  std::vector<int> node(static_cast<std::size_t>(comm.size()));
  check_mpi(MPI_Allgather(&comm.topology().node, 1, MPI_INT, node.data(), 1, MPI_INT, comm.mpi()), "MPI_Allgather");
  RankPairs pairs;
  for (int second = 1; second < comm.size(); ++second) {
    for (int first = 0; first < second; ++first) {
      const bool together = node[static_cast<std::size_t>(first)] == node[static_cast<std::size_t>(second)];
      RankPair& pair = together ? pairs.node : pairs.network;
      if (!pair) pair = {first, second};
    }
    if (pairs.node && pairs.network) break;
  }
  return pairs;
}

MeasuredLevel measure_costs(const Communicator& comm, const RankPair& pair, const TransportCosts& built_in) {
  MeasuredLevel level{.costs = built_in};
  if (comm.rank() == pair.first || comm.rank() == pair.second) {
    measure_messages(Side(comm, pair), level);
    if (comm.rank() == pair.first) measure_kernels(level);
  }
  meet_quietly(comm);
  for (const MeasuredCost& cost : kMeasuredCosts) {
    check_mpi(MPI_Bcast(&(level.costs.*cost.value), 1, MPI_DOUBLE, pair.first, comm.mpi()), "MPI_Bcast");
  }
  const int bytes = static_cast<int>(sizeof level.rounds);
  check_mpi(MPI_Bcast(level.rounds.data(), bytes, MPI_BYTE, pair.first, comm.mpi()), "MPI_Bcast");
  return level;
}

}  // namespace tutti::tools
