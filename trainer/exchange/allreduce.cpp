// Gradients are added over all ranks, every step: with any optimizer this is synchronous data-parallel training.
//
// Before: every rank has gradients of its samples, divided by the samples of the global batch. After: every rank has
// their sum, the average over the global batch, however unevenly its samples are spread.
// Cost per bucket: one allreduce, which starts while backward computes the buckets after it.
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include <tutti/allreduce/allreduce.hpp>
#include <tutti/allreduce/allreduce_table.hpp>
#include <tutti/collectives/inspect/selection.hpp>
#include <tutti/compression/codecs.hpp>
#include <tutti/compression/compressed_allreduce.hpp>
#include <tutti/kernels/error.hpp>
#include <tutti/kernels/text.hpp>
#include <tutti/trainer/exchange/bucketwise.hpp>
#include <tutti/trainer/exchange/exchange.hpp>

namespace tutti::trainer {

namespace {

class AllreduceExchange final : public BucketwiseExchange {
 public:
  explicit AllreduceExchange(const ExchangeParts& parts)
      : BucketwiseExchange(parts.buckets), comm_(parts.comm), algorithm_(parts.options.algorithm) {
    if (!algorithm_.empty() && find_algorithm(allreduce_algorithms(), Collective::allreduce, algorithm_) == nullptr)
      throw InvalidArgument(text("exchange.algorithm = \"", algorithm_, "\": there is no such allreduce"));
    const CodecSettings codec = codec_settings(parts.options.compression);
    if (codec.codec == "none") return;
    for (std::size_t b = 0; b < buckets().size(); ++b)
      compressed_.emplace_back(comm_, tensors_of(b), codec, ReduceOp::sum);
  }

 private:
  std::vector<TensorPart> tensors_of(std::size_t bucket) const {
    const BucketPlan& plan = buckets().plan();
    std::vector<TensorPart> tensors;
    for (const BucketPlan::Piece& piece : plan.buckets[bucket].pieces)
      tensors.push_back({.offset = plan.offset_of(piece) - plan.buckets[bucket].offset,
                         .count = piece.count,
                         .tensor = piece.parameter,
                         .first = piece.first});
    return tensors;
  }

  Request start(std::size_t bucket) override {
    const Buffer gradients = buckets().gradients(bucket);
    if (compressed_.empty()) {
      add_payload(gradients.size_bytes());
      return iallreduce(comm_, gradients, ReduceOp::sum, {.algorithm = algorithm_});
    }
    add_payload(compressed_[bucket].payload_bytes());
    return compressed_[bucket].start({static_cast<float*>(gradients.data), gradients.count}, step());
  }

  const Communicator& comm_;
  const std::string algorithm_;
  std::vector<CompressedAllreduce> compressed_;  // by bucket; none: gradients travel as they are
};

}  // namespace

std::unique_ptr<Exchange> make_allreduce_exchange(const ExchangeParts& parts) {
  return std::make_unique<AllreduceExchange>(parts);
}

}  // namespace tutti::trainer
