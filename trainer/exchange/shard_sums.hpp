// Gradients of shards, added as integers: the sum does not depend on who has which shard, nor on order, algorithm or
// buckets.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include <tutti/collectives/communicator.hpp>
#include <tutti/collectives/request.hpp>
#include <tutti/trainer/exchange/bucketwise.hpp>
#include <tutti/trainer/exchange/exchange.hpp>

namespace tutti::trainer {

/// Every rank calls, step after step: begin(); then, for each of its shards, has backward add up the shard's gradient
/// in gradient memory, and calls add() unless it is the last; then end_shards() and settle(). If that says so, the rest
/// of Exchange; else discard(), and the same shards once more from begin() on, which then fit.
///
/// Blocks of kNormBlock elements of a parameter have a scale each (kernels/integer_sums.hpp), the same on all ranks. It
/// comes from the largest values of earlier steps, so no step waits for it; the first measures, and is repeated.
class ShardSums final : public BucketwiseExchange {
 public:
  /// Local. `addends`: the most gradients that are added up in a step, over all ranks.
  /// \throws InvalidArgument: no such algorithm
  ShardSums(const ExchangeParts& parts, std::uint64_t addends);

  void begin(std::uint64_t step) override;
  void wait(std::size_t bucket) override;
  void finish() override;
  void discard() override;

  /// The gradient of a shard but the last is complete.
  void add();

  /// The gradient of the last shard is complete: starts what is not under way yet. \throws CommunicationError
  void end_shards();

  /// Waits until it is known whether all gradients of all ranks fitted their scales, the same on all ranks. `step`: of
  /// the run, counted from 0. \throws CommunicationError
  [[nodiscard]] bool settle(std::uint64_t step);

  /// After settle(): a parameter with a gradient that is not finite, the first in the order of exchange.
  std::optional<std::size_t> not_finite() const noexcept;

  /// Of all parameters in model order, a byte for each block: part of what the next step depends on.
  std::span<std::uint8_t> scales() noexcept { return scales_; }
  std::span<std::uint8_t> scales(std::size_t parameter) noexcept;

 private:
  void start(std::size_t bucket, std::vector<Request>& operations) override;
  void add(std::size_t bucket);
  void adapt_scales();
  std::span<std::int32_t> sums(const BucketPlan::Piece& piece) const noexcept;
  std::span<std::uint8_t> blocks(std::vector<std::uint8_t>& of, const BucketPlan::Piece& piece) const noexcept;
  Buffer gradients(const BucketPlan::Piece& piece) const noexcept;

  const Communicator& comm_;
  const std::string algorithm_;
  const int bits_;
  std::vector<std::size_t> begin_;  // of the blocks of a parameter; and one more
  std::vector<std::uint8_t> scales_;
  std::vector<std::uint8_t> largest_;  // what the gradients of this step need
  Request scales_operation_;           // makes them those of all ranks
  bool measured_ = false;              // largest_ is that of all ranks, and not in scales_ yet
  bool may_fall_ = false;              // scales, in this step
  std::shared_ptr<void> memory_;
  std::span<std::int32_t> sums_;  // laid out as the gradients
};

}  // namespace tutti::trainer
