// A call of a compressed allreduce on one rank alone, as if it were one of many: what it would hand to collectives, and
// how long this rank computes. Nothing is sent, so the costs of a codec on a cluster can be told without one, from the
// code that would run there.
#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <vector>

#include <tutti/collectives/call/call.hpp>
#include <tutti/collectives/costs.hpp>
#include <tutti/collectives/selection/selection.hpp>
#include <tutti/compression/compressed_allreduce.hpp>

namespace tutti {

/// A collective of all ranks that is part of a call.
struct RehearsedCollective {
  Collective collective{};
  std::size_t bytes = 0;  ///< of data in all blocks, as algorithms are chosen by; where blocks differ, received here
  bool uneven = false;    ///< blocks have different sizes
};

struct Rehearsal {
  std::vector<RehearsedCollective> collectives;
  std::size_t payload_bytes = 0;
  double encode_seconds = 0.0;               ///< before collectives: on what is sent
  double decode_seconds = 0.0;               ///< after them: on what has come
  std::vector<CompressionFacts> facts = {};  ///< of the first call, by part

  double seconds() const noexcept { return encode_seconds + decode_seconds; }
};

struct RehearsalOptions {
  int ranks = 1;
  int rounds = 1;                    ///< calls that are timed; the median counts
  TransportCosts costs = kTcpCosts;  ///< that a codec with several ways chooses by
};

/// Sums `values` over so many ranks that all hold the same, as the last of them; `result` becomes what it decodes
/// in the last call. A call that is not timed comes first. Local: `comm` gives memory only.
/// \throws InvalidArgument: settings or parts that cannot be, or not on so many ranks
Rehearsal rehearse(const Communicator& comm, std::span<const TensorPart> parts, const CodecSettings& settings,
                   const RehearsalOptions& options, std::span<const float> values, std::span<float> result);

/// Of values x that were encoded as C(x), once.
struct EncodingError {
  double error = 0.0;   ///< |C(x) - x|^2
  double values = 0.0;  ///< |x|^2

  /// None where it would be 0/0 or not finite.
  std::optional<double> relative() const noexcept;
};

/// Of what one rank of `ranks` contributes, if its contribution is `values`. `scratch` has as many elements. \throws as
/// rehearse()
EncodingError encoding_error(const Communicator& comm, std::span<const TensorPart> parts, const CodecSettings& settings,
                             int ranks, std::span<const float> values, std::span<float> scratch);

namespace detail {

/// The ranks of a rehearsal: takes the place of communication.
class RehearsedRanks {
 public:
  RehearsedRanks(int ranks, const TransportCosts& costs) : ranks_(ranks), selector_(ranks, costs) {}

  int ranks() const noexcept { return ranks_; }

  /// The last: it has the shortest slice, so that what it sends of it is sound for any other.
  int rank() const noexcept { return ranks_ - 1; }
  Selector& selector() noexcept { return selector_; }

  /// Writes what rank() receives if all others send what it sends. What owners of other slices send is what it has just
  /// sent them, if that is as long.
  void take_part(const Call& call);

  const std::vector<RehearsedCollective>& collectives() const noexcept { return collectives_; }

  /// Seconds spent in take_part().
  double seconds() const noexcept { return seconds_; }

  void forget() {
    collectives_.clear();
    seconds_ = 0.0;
  }

 private:
  void add_up(const Call& call);
  void gather(const Call& call);
  void exchange(const Call& call);

  int ranks_;
  Selector selector_;
  std::vector<RehearsedCollective> collectives_;
  std::span<const std::byte> sent_;  // by the last all_to_all
  double seconds_ = 0.0;
};

}  // namespace detail
}  // namespace tutti
