// Synchronous SGD: gradients are added over all ranks, every step, and every rank makes the same update.
//
// Buckets are exchanged in one fixed order on all ranks: bucket b starts once it and all buckets before it are complete
// here. So operations meet in the same order everywhere, whatever order backward finishes parameters in. A bucket that
// holds a parameter without gradient on this rank is completed by finish(), with the zeros that begin() wrote.
//
// Gradients arrive already divided by the samples of the global batch, so the sum over ranks is the average over
// samples, however unevenly these are spread.
#include <chrono>
#include <optional>
#include <string>

#include <tutti/compression/compression.hpp>
#include <tutti/kernels/finite.hpp>
#include <tutti/trainer/exchange/exchange.hpp>

namespace tutti::trainer {

namespace {

using Clock = std::chrono::steady_clock;

class SyncSgd final : public Exchange {
 public:
  explicit SyncSgd(const ExchangeParts& parts)
      : comm_(parts.comm),
        buckets_(parts.buckets),
        algorithm_(parts.options.algorithm),
        codec_(parts.options.compression == "none" ? nullptr : make_codec(parts.options.compression)),
        missing_(buckets_.size()),
        operations_(buckets_.size()) {}

  void begin() override {
    exposed_ = Clock::duration::zero();
    started_ = 0;
    for (std::size_t b = 0; b < buckets_.size(); ++b) {
      missing_[b] = buckets_.plan().buckets[b].parameters.size();
      const Buffer gradients = buckets_.gradients(b);
      std::fill_n(static_cast<std::byte*>(gradients.data), gradients.size_bytes(), std::byte{0});
    }
  }

  void gradient_ready(std::size_t parameter) override {
    --missing_[buckets_.plan().places[parameter].bucket];
    const Stopwatch exposed(exposed_);
    while (started_ < buckets_.size() && missing_[started_] == 0) start_next();
    for (std::size_t b = 0; b < started_; ++b) operations_[b].test();
  }

  std::optional<std::size_t> finish(const SgdStep& step) override {
    {
      const Stopwatch exposed(exposed_);
      while (started_ < buckets_.size()) start_next();
    }
    for (std::size_t b = 0; b < buckets_.size(); ++b) {
      {
        const Stopwatch exposed(exposed_);
        operations_[b].wait();
        for (std::size_t later = b + 1; later < buckets_.size(); ++later) operations_[later].test();
      }
      // A pass over what the update is about to read, and so in the cache of the processor.
      if (!all_finite(buckets_.gradients(b))) return not_finite_in(b);
      sgd_update(buckets_.parameters(b), buckets_.gradients(b), buckets_.velocities(b), step);
    }
    return std::nullopt;
  }

  void discard() override {
    const Stopwatch exposed(exposed_);
    while (started_ < buckets_.size()) start_next();
    for (Request& operation : operations_) operation.wait();
  }

  double exposed_seconds() const noexcept override { return std::chrono::duration<double>(exposed_).count(); }

 private:
  std::size_t not_finite_in(std::size_t bucket) const {
    for (const std::size_t parameter : buckets_.plan().buckets[bucket].parameters)
      if (!all_finite(buckets_.gradient(parameter))) return parameter;
    return buckets_.plan().buckets[bucket].parameters.front();  // in the padding, where nothing is but zeros
  }

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

  void start_next() {
    const Buffer gradients = buckets_.gradients(started_);
    if (codec_ != nullptr) {
      const std::span<float> values(static_cast<float*>(gradients.data), gradients.count);
      operations_[started_] = icompressed_allreduce(comm_, values, ReduceOp::sum, codec_);
    } else {
      operations_[started_] = iallreduce(comm_, gradients, ReduceOp::sum, {.algorithm = algorithm_});
    }
    ++started_;
  }

  const Communicator& comm_;
  const Buckets& buckets_;
  const std::string algorithm_;
  const std::shared_ptr<const Codec> codec_;
  std::vector<std::size_t> missing_;  // per bucket: parameters whose gradient is not ready
  std::vector<Request> operations_;   // per bucket
  std::size_t started_ = 0;           // buckets [0, started_) are exchanged or being so
  Clock::duration exposed_ = Clock::duration::zero();
};

}  // namespace

std::unique_ptr<Exchange> make_sync_sgd(const ExchangeParts& parts) { return std::make_unique<SyncSgd>(parts); }

}  // namespace tutti::trainer
