// Gradients are added over all ranks, every step: with any optimizer this is synchronous data-parallel training.
//
// Before: every rank has gradients of its samples, divided by the samples of the global batch. After: every rank has
// their sum, the average over the global batch, however unevenly its samples are spread.
// Cost per bucket: one allreduce, which starts while backward computes the buckets after it.
#include <algorithm>
#include <chrono>
#include <cstddef>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include <tutti/allreduce/allreduce.hpp>
#include <tutti/allreduce/allreduce_table.hpp>
#include <tutti/collectives/inspect/selection.hpp>
#include <tutti/compression/compression.hpp>
#include <tutti/kernels/error.hpp>
#include <tutti/kernels/text.hpp>
#include <tutti/trainer/exchange/exchange.hpp>
#include <tutti/trainer/exchange/ready_buckets.hpp>

namespace tutti::trainer {

namespace {

using Clock = std::chrono::steady_clock;

class AllreduceExchange final : public Exchange {
 public:
  explicit AllreduceExchange(const ExchangeParts& parts)
      : comm_(parts.comm),
        buckets_(parts.buckets),
        algorithm_(parts.options.algorithm),
        codec_(parts.options.compression == "none" ? nullptr : make_codec(parts.options.compression)),
        ready_(buckets_.plan()),
        operations_(buckets_.size()) {
    if (!algorithm_.empty() && find_algorithm(allreduce_algorithms(), Collective::allreduce, algorithm_) == nullptr)
      throw InvalidArgument(text("exchange.algorithm = \"", algorithm_, "\": there is no such allreduce"));
  }

  void begin() override {
    exposed_ = Clock::duration::zero();
    started_ = 0;
    ready_.begin();
    for (std::size_t b = 0; b < buckets_.size(); ++b) {
      const Buffer gradients = buckets_.gradients(b);
      std::fill_n(static_cast<std::byte*>(gradients.data), gradients.size_bytes(), std::byte{0});
    }
  }

  void gradient_ready(std::size_t parameter) override {
    ready_.gradient_ready(parameter);
    const Stopwatch exposed(exposed_);
    start_ready();
    for (std::size_t b = 0; b < started_; ++b) operations_[b].test();
  }

  void wait(std::size_t bucket) override {
    const Stopwatch exposed(exposed_);
    ready_.all_ready();
    start_ready();
    operations_[bucket].wait();
    for (std::size_t later = bucket + 1; later < buckets_.size(); ++later) operations_[later].test();
  }

  void discard() override {
    const Stopwatch exposed(exposed_);
    ready_.all_ready();
    start_ready();
    for (Request& operation : operations_) operation.wait();
  }

  double exposed_seconds() const noexcept override { return std::chrono::duration<double>(exposed_).count(); }

 private:
  /// Adds the time of its own life to a sum.
  class Stopwatch {
   public:
    explicit Stopwatch(Clock::duration& sum) : sum_(sum), begin_(Clock::now()) {}
    ~Stopwatch() { sum_ += Clock::now() - begin_; }
    Stopwatch(const Stopwatch&) = delete;
    Stopwatch& operator=(const Stopwatch&) = delete;

   private:
    Clock::duration& sum_;
    Clock::time_point begin_;
  };

  void start_ready() {
    for (; started_ < ready_.complete(); ++started_) {
      const Buffer gradients = buckets_.gradients(started_);
      if (codec_ != nullptr) {
        const std::span<float> values(static_cast<float*>(gradients.data), gradients.count);
        operations_[started_] = icompressed_allreduce(comm_, values, ReduceOp::sum, codec_);
      } else {
        operations_[started_] = iallreduce(comm_, gradients, ReduceOp::sum, {.algorithm = algorithm_});
      }
    }
  }

  const Communicator& comm_;
  const Buckets& buckets_;
  const std::string algorithm_;
  const std::shared_ptr<const Codec> codec_;
  ReadyBuckets ready_;
  std::vector<Request> operations_;  // per bucket
  std::size_t started_ = 0;          // buckets [0, started_) are exchanged or being so
  Clock::duration exposed_ = Clock::duration::zero();
};

}  // namespace

std::unique_ptr<Exchange> make_allreduce_exchange(const ExchangeParts& parts) {
  return std::make_unique<AllreduceExchange>(parts);
}

}  // namespace tutti::trainer
