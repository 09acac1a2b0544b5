// Statistics of batch normalisation, exchanged over a communicator.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include <tutti/collectives/communicator.hpp>
#include <tutti/trainer/models/shared_statistics.hpp>

namespace tutti::trainer {

/// Over a communicator of its own: its collectives block, in the middle of a backward pass, while sums of buckets are
/// under way on that of the run.
class CommunicatorStatistics : public StatisticsExchange {
 public:
  /// Collective. \throws CommunicationError
  explicit CommunicatorStatistics(const Communicator& comm);

  std::size_t ranks() const noexcept override;
  void all_gather(std::span<const double> own, std::span<double> all) override;
  void sum(std::span<double> numbers) override;

  /// Spent in communication since the last call.
  double take_seconds() noexcept;

  /// Handed to collectives since the last call.
  std::uint64_t take_payload_bytes() noexcept;

 private:
  const Communicator comm_;
  double seconds_ = 0.0;
  std::uint64_t payload_bytes_ = 0;
};

}  // namespace tutti::trainer
