// What an exchange of gradients is predicted to take by each codec: the collectives of its calls by the cost model that
// algorithms are chosen by, and the seconds that a rank computes, measured by calls on this machine (rehearsal.hpp).
#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include <tutti/collectives/communicator.hpp>
#include <tutti/collectives/costs.hpp>
#include <tutti/collectives/selection/selection.hpp>
#include <tutti/compression/codecs.hpp>
#include <tutti/compression/compressed_allreduce.hpp>
#include <tutti/compression/rehearsal.hpp>

namespace tutti {

/// Ranks, and the constants of what joins them.
struct ClusterShape {
  int ranks = 1;
  int nodes = 1;
  LevelCosts costs = {kSharedMemoryCosts, kRdmaCosts};
};

/// One allreduce of an exchange: of a bucket, or of those of its tensors that have these settings.
struct ExchangeCall {
  CodecSettings settings = {};
  std::vector<TensorPart> parts = {};
  bool in_one_piece = false;  ///< nothing to encode, and no parts to be brought together

  std::size_t count() const noexcept;
};

/// What such a call was found to do.
struct MeasuredCall {
  std::vector<RehearsedCollective> collectives;
  std::size_t payload_bytes = 0;
  double seconds = 0.0;  ///< of a rank's work, without communication
};

/// Calls on this rank as one of a cluster's. Of many the largest are measured, about a second of them or fewer, and the
/// others taken to do as much for each value. Local: `comm` gives memory only. \throws InvalidArgument: a codec that
/// cannot
std::vector<MeasuredCall> measure_calls(const Communicator& comm, std::span<const ExchangeCall> calls,
                                        const ClusterShape& cluster);

/// Relative squared error of one encoding of normally distributed values, as one of `ranks`.
double normal_error(const Communicator& comm, const CodecSettings& settings, int ranks);

/// Prices of collectives among all ranks of a cluster, whose nodes have equally many ranks or about that.
class ClusterPrices {
 public:
  explicit ClusterPrices(const ClusterShape& cluster);

  double seconds(const RehearsedCollective& collective);
  double seconds(std::span<const MeasuredCall> calls);  ///< of their collectives

 private:
  std::optional<Selector> selector_;             // none: one rank
  std::shared_ptr<detail::LevelPrices> levels_;  // null: one level
};

/// The bandwidth of a level of `cluster`, the shape of `comm`, replaced by that with which an allreduce of 1 MiB is
/// predicted to take as long as it does: between nodes, or where there is one inside it. Collective; the same on all
/// ranks. \throws CommunicationError
ClusterShape with_measured_bandwidth(const Communicator& comm, const ClusterShape& cluster);

/// An exchange by one codec.
struct PredictedExchange {
  CodecSettings settings = {};
  std::string problem = {};  ///< why the codec cannot; empty if it can
  double error = 0.0;        ///< normal_error()
  std::vector<MeasuredCall> calls = {};
  double network_seconds = 0.0;
  double codec_seconds = 0.0;

  double seconds() const noexcept { return network_seconds + codec_seconds; }
  std::size_t payload_bytes() const noexcept;
};

/// `calls` on this machine, without prices. What the codec says it cannot is its problem. Local.
PredictedExchange measure_exchange(const Communicator& comm, const CodecSettings& settings,
                                   std::span<const ExchangeCall> calls, const ClusterShape& cluster);

/// Makes predictions of what all ranks have measured at the same time, of the same calls: the slowest counts.
/// Collective. \throws CommunicationError
void set_prices(const Communicator& comm, const ClusterShape& cluster, std::span<PredictedExchange> exchanges);

/// The settings that are compared: every codec with its defaults, "none" first.
std::vector<CodecSettings> default_settings();

/// Which is to be used: the fastest whose error is at most `most_error`, if it is predicted to be at least a tenth
/// faster than "none", which is the first; else that. None that has a problem.
std::size_t best_exchange(std::span<const PredictedExchange> exchanges, double most_error);

/// The bandwidth of the network, in bytes per second, below which an exchange is predicted to be faster than `plain`,
/// all else being as it is: of the links between nodes, or where there is one node inside it. Infinite if it is faster
/// at any, 0 if at none, from 10^5 to 10^12.
double crossover_bandwidth(const ClusterShape& cluster, const PredictedExchange& exchange,
                           const PredictedExchange& plain);

}  // namespace tutti
