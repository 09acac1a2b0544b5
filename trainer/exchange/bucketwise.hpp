// What strategies have in common that exchange one bucket after another while backward goes on.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include <tutti/collectives/request.hpp>
#include <tutti/trainer/exchange/exchange.hpp>
#include <tutti/trainer/exchange/ready_buckets.hpp>

namespace tutti::trainer {

class BucketwiseExchange : public Exchange {
 public:
  void begin(std::uint64_t step) override;
  void gradient_ready(std::size_t parameter, std::size_t first, std::size_t count) override;
  void wait(std::size_t bucket) override;
  void discard() override;
  void set_learning_rate(double rate) override;
  std::vector<ExchangeState> state() override;
  void add_to_next_step(std::size_t parameter, std::size_t first, std::span<const float> values) override;
  double exposed_seconds() const noexcept override { return std::chrono::duration<double>(exposed_).count(); }
  std::uint64_t payload_bytes() const noexcept override { return payload_bytes_; }

 protected:
  using Clock = std::chrono::steady_clock;

  explicit BucketwiseExchange(const ExchangeParts& parts);

  /// Starts to exchange the gradients of a bucket, which are complete on this rank. In the order of buckets, all before
  /// the first wait ends: what a strategy starts later comes after them on every rank.
  /// What is to be waited for is put behind `operations`.
  virtual void start(std::size_t bucket, std::vector<Request>& operations) = 0;

  /// Backward has ended: starts all buckets that have not been.
  void start_rest();

  const Buckets& buckets() const noexcept { return buckets_; }
  std::uint64_t step() const noexcept { return step_; }
  void add_payload(std::uint64_t bytes) noexcept { payload_bytes_ += bytes; }

  /// Adds the time of its own life to the exposed time.
  class Stopwatch {
   public:
    explicit Stopwatch(BucketwiseExchange& exchange) : sum_(exchange.exposed_), begin_(Clock::now()) {}
    ~Stopwatch() { sum_ += Clock::now() - begin_; }
    Stopwatch(const Stopwatch&) = delete;
    Stopwatch& operator=(const Stopwatch&) = delete;

   private:
    Clock::duration& sum_;
    Clock::time_point begin_;
  };

 private:
  void start_ready();
  void add_pending(std::size_t bucket);
  void test_started();

  const Buckets& buckets_;
  const bool holds_updates_;  // what is held back is a part of an update, not of a gradient
  double rate_ = 0.0;         // that it is measured by
  std::uint64_t step_ = 0;
  ReadyBuckets ready_;
  std::vector<std::vector<Request>> operations_;  // by bucket
  std::vector<float> pending_;                    // laid out as the gradients; empty: nothing
  std::size_t started_ = 0;                       // buckets [0, started_) are exchanged or being so
  std::size_t ended_ = 0;                         // buckets [0, ended_) are exchanged
  std::uint64_t payload_bytes_ = 0;
  Clock::duration exposed_ = Clock::duration::zero();
};

}  // namespace tutti::trainer
