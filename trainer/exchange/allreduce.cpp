// Gradients are added over all ranks, every step: with any optimizer this is synchronous data-parallel training.
//
// Before: every rank has gradients of its samples, divided by the samples of the global batch. After: every rank has
// their sum, the average over the global batch, however unevenly its samples are spread.
// Cost per bucket: one allreduce, which starts while backward computes the buckets after it.
#include <cstddef>
#include <memory>
#include <string>
#include <vector>

#include <tutti/allreduce/allreduce.hpp>
#include <tutti/allreduce/allreduce_table.hpp>
#include <tutti/collectives/inspect/selection.hpp>
#include <tutti/kernels/error.hpp>
#include <tutti/kernels/text.hpp>
#include <tutti/trainer/exchange/bucketwise.hpp>
#include <tutti/trainer/exchange/exchange.hpp>

namespace tutti::trainer {

namespace {

class AllreduceExchange final : public BucketwiseExchange {
 public:
  explicit AllreduceExchange(const ExchangeParts& parts)
      : BucketwiseExchange(parts), comm_(parts.comm), algorithm_(parts.options.algorithm) {
    if (!algorithm_.empty() && find_algorithm(allreduce_algorithms(), Collective::allreduce, algorithm_) == nullptr)
      throw InvalidArgument(text("exchange.algorithm = \"", algorithm_, "\": there is no such allreduce"));
  }

 private:
  void start(std::size_t bucket, std::vector<Request>& operations) override {
    const Buffer gradients = buckets().gradients(bucket);
    add_payload(gradients.size_bytes());
    operations.push_back(iallreduce(comm_, gradients, ReduceOp::sum, {.algorithm = algorithm_}));
  }

  const Communicator& comm_;
  const std::string algorithm_;
};

}  // namespace

std::unique_ptr<Exchange> make_allreduce_exchange(const ExchangeParts& parts) {
  if (parts.options.compresses()) return make_compressed_exchange(parts);
  return std::make_unique<AllreduceExchange>(parts);
}

}  // namespace tutti::trainer
