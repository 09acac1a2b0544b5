#include <tutti/trainer/exchange/bucketwise.hpp>

#include <algorithm>
#include <cstddef>
#include <utility>

#include <tutti/collectives/flight_recorder.hpp>
#include <tutti/kernels/reduce.hpp>

namespace tutti::trainer {

namespace {

/// What is held back grows by no more than this when the learning rate falls: it would drown the gradients.
constexpr double kMostGrowth = 10.0;

}  // namespace

BucketwiseExchange::BucketwiseExchange(const ExchangeParts& parts)
    : buckets_(parts.buckets),
      holds_updates_(parts.options.feedback_space == "update"),
      ready_(parts.buckets.plan()),
      operations_(parts.buckets.size()) {}

/// In the space of updates what is held back is a part of a step: with another rate it is another gradient.
void BucketwiseExchange::set_learning_rate(double rate) {
  if (!holds_updates_ || rate <= 0.0 || rate == rate_) return;
  const double before = std::exchange(rate_, rate);
  if (before <= 0.0) return;
  const auto factor = static_cast<float>(std::min(before / rate, kMostGrowth));
  for (const ExchangeState& its : state())
    if (its.kind == CompressionState::Kind::held_back)
      for (float& value : its.values) value *= factor;
}

void BucketwiseExchange::begin(std::uint64_t step) {
  step_ = step;
  exposed_ = Clock::duration::zero();
  payload_bytes_ = 0;
  started_ = 0;
  ended_ = 0;
  ready_.begin();
}

void BucketwiseExchange::gradient_ready(std::size_t parameter, std::size_t first, std::size_t count) {
  ready_.gradient_ready(parameter, first, count);
  const Stopwatch exposed(*this);
  start_ready();
  test_started();
}

void BucketwiseExchange::wait(std::size_t bucket) {
  const TraceSpan span("wait for gradients");
  const Stopwatch exposed(*this);
  start_rest();
  for (; ended_ <= bucket; ++ended_)
    for (Request& operation : operations_[ended_]) operation.wait();
  test_started();
}

void BucketwiseExchange::start_rest() {
  ready_.all_ready();
  start_ready();
}

void BucketwiseExchange::discard() {
  if (buckets_.size() > 0) wait(buckets_.size() - 1);
}

void BucketwiseExchange::start_ready() {
  for (; started_ < ready_.complete(); ++started_) {
    add_pending(started_);
    operations_[started_].clear();
    start(started_, operations_[started_]);
  }
  if (started_ == buckets_.size()) pending_ = {};
}

void BucketwiseExchange::test_started() {
  for (; ended_ < started_; ++ended_)
    for (Request& operation : operations_[ended_])
      if (!operation.test()) return;
}

void BucketwiseExchange::add_pending(std::size_t bucket) {
  if (pending_.empty()) return;
  const BucketPlan::Bucket& its = buckets_.plan().buckets[bucket];
  const Buffer gradients = buckets_.gradients(bucket);
  const std::span<const float> pending = std::span<const float>(pending_).subspan(its.offset, its.count);
  reduce_local(ReduceOp::sum, gradients, ConstBuffer(pending), gradients);
}

std::vector<ExchangeState> BucketwiseExchange::state() {
  std::vector<ExchangeState> all;
  if (pending_.empty()) return all;
  for (std::size_t i = 0; i < buckets_.plan().places.size(); ++i) {
    const BucketPlan::Place& place = buckets_.plan().places[i];
    all.push_back(
        {.name = "pending", .parameter = i, .values = std::span<float>(pending_).subspan(place.offset, place.count)});
  }
  return all;
}

void BucketwiseExchange::add_to_next_step(std::size_t parameter, std::size_t first, std::span<const float> values) {
  if (pending_.empty()) pending_.resize(buckets_.plan().count);
  float* to = pending_.data() + buckets_.plan().places[parameter].offset + first;
  for (const float value : values) *to++ += value;
}

}  // namespace tutti::trainer
