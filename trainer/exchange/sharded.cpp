// Sharded optimizer, ZeRO stage 1 (Rajbhandari et al., arXiv 1910.02054): every rank owns a part of each bucket. It
// alone gets the sum of its gradients, keeps its slots and updates its parameters, which then go to all ranks. With any
// optimizer the result is that of `allreduce`; with N ranks the slots take 1/N of the memory.
//
// Before: as in allreduce.cpp. After the wait: the sum over all ranks, where this rank owns it.
// Cost per bucket: one reduce-scatter, while backward computes the buckets after it, and one all-gather, while later
// buckets are updated: together the bytes of an allreduce.
#include <cstddef>
#include <memory>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

#include <tutti/allreduce/allreduce.hpp>
#include <tutti/collectives/collectives.hpp>
#include <tutti/collectives/flight_recorder.hpp>
#include <tutti/kernels/error.hpp>
#include <tutti/kernels/text.hpp>
#include <tutti/trainer/exchange/bucketwise.hpp>
#include <tutti/trainer/exchange/exchange.hpp>

namespace tutti::trainer {

namespace {

class ShardedExchange final : public BucketwiseExchange {
 public:
  explicit ShardedExchange(const ExchangeParts& parts) : BucketwiseExchange(parts), comm_(parts.comm) {
    const auto refuse = [](std::string_view key, std::string_view value) {
      throw InvalidArgument(text("exchange.", key, " = \"", value, "\" is not for exchange.kind = \"sharded\""));
    };
    if (parts.options.compresses()) refuse("compression", parts.options.compression);
    if (!parts.options.algorithm.empty()) refuse("algorithm", parts.options.algorithm);
  }

  void updated(std::size_t bucket) override {
    const Stopwatch exposed(*this);
    add_payload(buckets().own_parameters(bucket).size_bytes());
    gathers_.push_back(iall_gather_v(comm_, buckets().own_parameters(bucket), buckets().parameters(bucket),
                                     buckets().owned_counts(bucket)));
    for (Request& gather : gathers_)
      if (!gather.test()) break;
  }

  void finish() override {
    const TraceSpan span("wait for parameters");
    const Stopwatch exposed(*this);
    for (Request& gather : gathers_) gather.wait();
    gathers_.clear();
  }

  void combine(std::span<double> sums) override {
    const Stopwatch exposed(*this);
    add_payload(sums.size_bytes());
    allreduce(comm_, sums, ReduceOp::sum);
  }

  void discard() override {
    BucketwiseExchange::discard();
    finish();
  }

 private:
  void start(std::size_t bucket, std::vector<Request>& operations) override {
    add_payload(buckets().gradients(bucket).size_bytes());
    operations.push_back(ireduce_scatter_v(comm_, buckets().gradients(bucket), buckets().own_gradients(bucket),
                                           buckets().owned_counts(bucket), ReduceOp::sum));
  }

  const Communicator& comm_;
  std::vector<Request> gathers_;
};

}  // namespace

std::unique_ptr<Exchange> make_sharded_exchange(const ExchangeParts& parts) {
  return std::make_unique<ShardedExchange>(parts);
}

}  // namespace tutti::trainer
