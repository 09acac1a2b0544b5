#include <tutti/trainer/run/statistics.hpp>

#include <chrono>
#include <utility>

#include <tutti/allreduce/allreduce.hpp>
#include <tutti/collectives/collectives.hpp>

namespace tutti::trainer {

namespace {

template <class Work>
double seconds_of(Work work) {
  const auto begin = std::chrono::steady_clock::now();
  work();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
}

}  // namespace

CommunicatorStatistics::CommunicatorStatistics(const Communicator& comm) : comm_(*comm.split(0, comm.rank())) {}

std::size_t CommunicatorStatistics::ranks() const noexcept { return static_cast<std::size_t>(comm_.size()); }

void CommunicatorStatistics::all_gather(std::span<const double> own, std::span<double> all) {
  payload_bytes_ += own.size_bytes();
  seconds_ += seconds_of([&] { tutti::all_gather(comm_, own, all); });
}

void CommunicatorStatistics::sum(std::span<double> numbers) {
  payload_bytes_ += numbers.size_bytes();
  seconds_ += seconds_of([&] { allreduce(comm_, numbers, ReduceOp::sum); });
}

double CommunicatorStatistics::take_seconds() noexcept { return std::exchange(seconds_, 0.0); }

std::uint64_t CommunicatorStatistics::take_payload_bytes() noexcept {
  return std::exchange(payload_bytes_, std::uint64_t{0});
}

}  // namespace tutti::trainer
