#include <tutti/trainer/exchange/bucketwise.hpp>

#include <cstddef>

#include <tutti/collectives/flight_recorder.hpp>

namespace tutti::trainer {

BucketwiseExchange::BucketwiseExchange(const Buckets& buckets)
    : buckets_(buckets), ready_(buckets.plan()), operations_(buckets.size()) {}

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
  while (ended_ < started_ && operations_[ended_].test()) ++ended_;
}

void BucketwiseExchange::wait(std::size_t bucket) {
  const TraceSpan span("wait for gradients");
  const Stopwatch exposed(*this);
  start_rest();
  for (; ended_ <= bucket; ++ended_) operations_[ended_].wait();
  while (ended_ < started_ && operations_[ended_].test()) ++ended_;
}

void BucketwiseExchange::start_rest() {
  ready_.all_ready();
  start_ready();
}

void BucketwiseExchange::discard() {
  if (buckets_.size() > 0) wait(buckets_.size() - 1);
}

void BucketwiseExchange::start_ready() {
  for (; started_ < ready_.complete(); ++started_) operations_[started_] = start(started_);
}

}  // namespace tutti::trainer
