// Gradients are added over all ranks, every step: with any optimizer this is synchronous data-parallel training.
//
// Before: every rank has gradients of its samples, divided by the samples of the global batch. After: every rank has
// their sum, the average over the global batch, however unevenly its samples are spread.
// Cost per bucket: one allreduce, which starts while backward computes the buckets after it.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <tutti/allreduce/allreduce.hpp>
#include <tutti/allreduce/allreduce_table.hpp>
#include <tutti/collectives/inspect/selection.hpp>
#include <tutti/compression/codecs.hpp>
#include <tutti/compression/compressed_allreduce.hpp>
#include <tutti/kernels/error.hpp>
#include <tutti/kernels/text.hpp>
#include <tutti/trainer/exchange/bucketwise.hpp>
#include <tutti/trainer/exchange/compression_policy.hpp>
#include <tutti/trainer/exchange/exchange.hpp>

namespace tutti::trainer {

namespace {

class AllreduceExchange final : public BucketwiseExchange {
 public:
  explicit AllreduceExchange(const ExchangeParts& parts)
      : BucketwiseExchange(parts.buckets),
        comm_(parts.comm),
        parameters_(parts.parameters),
        algorithm_(parts.options.algorithm),
        compress_after_(static_cast<std::uint64_t>(parts.options.compress_after)),
        compressed_(parts.buckets.size()) {
    if (!algorithm_.empty() && find_algorithm(allreduce_algorithms(), Collective::allreduce, algorithm_) == nullptr)
      throw InvalidArgument(text("exchange.algorithm = \"", algorithm_, "\": there is no such allreduce"));
    if (!parts.options.compresses()) return;
    codecs_ = compression_of(parameters_, parts.options);
    if (compress_after_ == 0) compress();
  }

  void begin(std::uint64_t step) override {
    BucketwiseExchange::begin(step);
    prepare(step);
  }

  void prepare(std::uint64_t step) override {
    if (!codecs_.empty() && !compresses_ && step >= compress_after_) compress();
  }

  std::vector<ExchangeState> state() override {
    std::vector<ExchangeState> all = BucketwiseExchange::state();
    for (std::size_t b = 0; b < buckets().size(); ++b)
      for (CompressedAllreduce& operation : compressed_[b])
        for (const CompressionState& its : operation.state()) {
          const TensorPart& part = operation.parts()[its.part];
          all.push_back({.name = its.name,
                         .kind = its.kind,
                         .parameter = part.tensor,
                         .first = part.first + its.first,
                         .values = its.values,
                         .weight = its.weight});
        }
    return all;
  }

 private:
  /// From now on gradients travel as the policy says.
  void compress() {
    compresses_ = true;
    for (std::size_t b = 0; b < buckets().size(); ++b) compressed_[b] = operations_of(b);
  }

  /// One for each kind of settings among the parameters of a bucket; none where all travel as they are.
  std::vector<CompressedAllreduce> operations_of(std::size_t bucket) const {
    const BucketPlan& plan = buckets().plan();
    std::vector<std::pair<CodecSettings, std::vector<TensorPart>>> kinds;
    for (const BucketPlan::Piece& piece : plan.buckets[bucket].pieces) {
      const CodecSettings& settings = codecs_[piece.parameter];
      auto kind = std::find_if(kinds.begin(), kinds.end(), [&](const auto& k) { return k.first == settings; });
      if (kind == kinds.end()) kind = kinds.insert(kinds.end(), {settings, {}});
      const std::vector<std::int64_t>& shape = parameters_[piece.parameter].shape;
      const bool is_matrix = shape.size() > 1 && piece.count == plan.places[piece.parameter].count;
      kind->second.push_back({.offset = plan.offset_of(piece) - plan.buckets[bucket].offset,
                              .count = piece.count,
                              .tensor = piece.parameter,
                              .first = piece.first,
                              .rows = is_matrix ? static_cast<std::size_t>(shape.front()) : 0});
    }
    std::vector<CompressedAllreduce> operations;
    if (kinds.size() == 1 && kinds.front().first.codec == "none") return operations;
    for (auto& [settings, parts] : kinds) operations.emplace_back(comm_, std::move(parts), settings, ReduceOp::sum);
    return operations;
  }

  void start(std::size_t bucket, std::vector<Request>& operations) override {
    const Buffer gradients = buckets().gradients(bucket);
    if (compressed_[bucket].empty()) {
      add_payload(gradients.size_bytes());
      operations.push_back(iallreduce(comm_, gradients, ReduceOp::sum, {.algorithm = algorithm_}));
      return;
    }
    for (CompressedAllreduce& operation : compressed_[bucket]) {
      add_payload(operation.payload_bytes());
      operations.push_back(operation.start({static_cast<float*>(gradients.data), gradients.count}, step()));
    }
  }

  const Communicator& comm_;
  const std::span<const ParameterInfo> parameters_;
  const std::string algorithm_;
  const std::uint64_t compress_after_;
  std::vector<CodecSettings> codecs_;  // by parameter; empty: all travel as they are
  bool compresses_ = false;
  std::vector<std::vector<CompressedAllreduce>> compressed_;  // by bucket
};

}  // namespace

std::unique_ptr<Exchange> make_allreduce_exchange(const ExchangeParts& parts) {
  return std::make_unique<AllreduceExchange>(parts);
}

}  // namespace tutti::trainer
