// Cost per shard: one pass over gradients and integers. Per bucket: one allreduce of as many integers, which starts
// while the last backward computes the buckets after it. Per step: one allreduce of a byte for each block.
#include <tutti/trainer/exchange/shard_sums.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>

#include <tutti/allreduce/allreduce.hpp>
#include <tutti/allreduce/allreduce_table.hpp>
#include <tutti/collectives/inspect/selection.hpp>
#include <tutti/kernels/error.hpp>
#include <tutti/kernels/integer_sums.hpp>
#include <tutti/kernels/text.hpp>

namespace tutti::trainer {

namespace {

// How a scale follows its block: it rises at once and falls slowly. Larger numbers make fewer steps that have to be
// repeated, and coarser integers (figures in README.md).
constexpr int kMargin = 2;                // bits above the largest value of a step
constexpr int kBelowTensor = 2;           // a block counts as at least the largest value of its tensor over 2^2
constexpr std::uint64_t kFallEvery = 32;  // steps in which a scale may fall by a bit

}  // namespace

ShardSums::ShardSums(const ExchangeParts& parts, std::uint64_t addends)
    : BucketwiseExchange(parts),
      comm_(parts.comm),
      algorithm_(parts.options.algorithm),
      bits_(integer_bits(addends)),
      begin_{0} {
  if (!algorithm_.empty() && find_algorithm(allreduce_algorithms(), Collective::allreduce, algorithm_) == nullptr)
    throw InvalidArgument(text("exchange.algorithm = \"", algorithm_, "\": there is no such allreduce"));
  for (const BucketPlan::Place& place : buckets().plan().places)
    begin_.push_back(begin_.back() + (place.count + kNormBlock - 1) / kNormBlock);
  scales_.resize(begin_.back());
  largest_.resize(begin_.back());
  const std::size_t count = buckets().plan().count;
  memory_ = comm_.allocate_bytes(count * sizeof(std::int32_t));
  sums_ = {static_cast<std::int32_t*>(memory_.get()), count};
}

void ShardSums::begin(std::uint64_t step) {
  BucketwiseExchange::begin(step);
  std::fill(sums_.begin(), sums_.end(), 0);
  std::fill(largest_.begin(), largest_.end(), std::uint8_t{0});
}

void ShardSums::add() {
  const Stopwatch exposed(*this);
  for (std::size_t b = 0; b < buckets().size(); ++b) add(b);
}

void ShardSums::add(std::size_t bucket) {
  for (const BucketPlan::Piece& piece : buckets().plan().buckets[bucket].pieces)
    add_as_integers(gradients(piece), sums(piece), blocks(scales_, piece), blocks(largest_, piece), bits_);
}

void ShardSums::start(std::size_t bucket, std::vector<Request>& operations) {
  add(bucket);
  const BucketPlan::Bucket& its = buckets().plan().buckets[bucket];
  add_payload(its.count * sizeof(std::int32_t));
  operations.push_back(
      iallreduce(comm_, sums_.subspan(its.offset, its.count), ReduceOp::sum, {.algorithm = algorithm_}));
}

void ShardSums::end_shards() {
  const Stopwatch exposed(*this);
  start_rest();
  add_payload(largest_.size());
  scales_operation_ = iallreduce(comm_, std::span<std::uint8_t>(largest_), ReduceOp::max);
}

bool ShardSums::settle(std::uint64_t step) {
  const Stopwatch exposed(*this);
  scales_operation_.wait();
  measured_ = true;
  may_fall_ = step % kFallEvery == 0;
  for (std::size_t block = 0; block < scales_.size(); ++block)
    if (largest_[block] > scales_[block]) return false;
  return true;
}

std::optional<std::size_t> ShardSums::not_finite() const noexcept {
  for (const BucketPlan::Bucket& bucket : buckets().plan().buckets)
    for (const BucketPlan::Piece& piece : bucket.pieces)
      for (std::size_t block = begin_[piece.parameter]; block < begin_[piece.parameter + 1]; ++block)
        if (largest_[block] == kNotFiniteScale) return piece.parameter;
  return std::nullopt;
}

void ShardSums::wait(std::size_t bucket) {
  BucketwiseExchange::wait(bucket);
  for (const BucketPlan::Piece& piece : buckets().plan().buckets[bucket].pieces)
    integers_to_values(sums(piece), gradients(piece), blocks(scales_, piece), bits_);
}

void ShardSums::finish() { adapt_scales(); }

void ShardSums::discard() {
  BucketwiseExchange::discard();
  scales_operation_.wait();
  adapt_scales();
}

/// Once a step, when its sums are not needed any more.
void ShardSums::adapt_scales() {
  if (!measured_) return;
  measured_ = false;
  for (std::size_t parameter = 0; parameter + 1 < begin_.size(); ++parameter) {
    const auto mine = std::span(largest_).subspan(begin_[parameter], begin_[parameter + 1] - begin_[parameter]);
    const int least = mine.empty() ? 0 : *std::max_element(mine.begin(), mine.end()) - kBelowTensor;
    for (std::size_t block = begin_[parameter]; block < begin_[parameter + 1]; ++block) {
      const int wanted = std::min(std::max(int{largest_[block]}, least) + kMargin, kNotFiniteScale - 1);
      scales_[block] = static_cast<std::uint8_t>(std::max(wanted, scales_[block] - (may_fall_ ? 1 : 0)));
    }
  }
}

std::span<std::uint8_t> ShardSums::scales(std::size_t parameter) noexcept {
  return std::span(scales_).subspan(begin_[parameter], begin_[parameter + 1] - begin_[parameter]);
}

std::span<std::int32_t> ShardSums::sums(const BucketPlan::Piece& piece) const noexcept {
  return sums_.subspan(buckets().plan().offset_of(piece), piece.count);
}

std::span<std::uint8_t> ShardSums::blocks(std::vector<std::uint8_t>& of,
                                          const BucketPlan::Piece& piece) const noexcept {
  return std::span(of).subspan(begin_[piece.parameter] + piece.first / kNormBlock,
                               (piece.count + kNormBlock - 1) / kNormBlock);
}

Buffer ShardSums::gradients(const BucketPlan::Piece& piece) const noexcept {
  return buckets().gradient(piece.parameter).slice(piece.first, piece.count);
}

}  // namespace tutti::trainer
