#include <tutti/trainer/exchange/compressed_operations.hpp>

#include <algorithm>
#include <utility>

namespace tutti::trainer {

namespace {

/// A copy of an array that an operation kept.
struct Kept {
  ExchangeState state;  // without values
  std::vector<float> values;
};

std::vector<float> weighted(std::vector<float> values, double weight) {
  for (float& value : values) value = static_cast<float>(static_cast<double>(value) * weight);
  return values;
}

}  // namespace

std::vector<ExchangeCall> calls_of(const BucketPlan& plan, std::size_t bucket,
                                   std::span<const ParameterInfo> parameters, std::span<const CodecSettings> codecs) {
  std::vector<ExchangeCall> kinds;
  for (const BucketPlan::Piece& piece : plan.buckets[bucket].pieces) {
    const CodecSettings& settings = codecs[piece.parameter];
    auto kind = std::find_if(kinds.begin(), kinds.end(), [&](const auto& k) { return k.settings == settings; });
    if (kind == kinds.end()) kind = kinds.insert(kinds.end(), {.settings = settings});
    const std::vector<std::int64_t>& shape = parameters[piece.parameter].shape;
    const bool is_matrix = shape.size() > 1 && piece.count == plan.places[piece.parameter].count;
    kind->parts.push_back({.offset = plan.offset_of(piece) - plan.buckets[bucket].offset,
                           .count = piece.count,
                           .tensor = piece.parameter,
                           .first = piece.first,
                           .rows = is_matrix ? static_cast<std::size_t>(shape.front()) : 0});
  }
  if (kinds.size() == 1) kinds.front().in_one_piece = kinds.front().settings.codec == "none";
  return kinds;
}

std::vector<CompressedAllreduce> CompressedOperations::operations_of(std::size_t bucket,
                                                                     std::span<const CodecSettings> codecs) const {
  std::vector<CompressedAllreduce> operations;
  for (ExchangeCall& call : calls_of(buckets_.plan(), bucket, parameters_, codecs))
    if (!call.in_one_piece) operations.emplace_back(comm_, std::move(call.parts), call.settings, ReduceOp::sum);
  return operations;
}

void CompressedOperations::choose(std::span<const CodecSettings> codecs, const Take& take) {
  std::vector<Kept> kept;
  for (const ExchangeState& its : state()) {
    kept.push_back({.state = its, .values = {its.values.begin(), its.values.end()}});
    kept.back().state.values = {};
  }
  const std::vector<CodecSettings> before = std::exchange(codecs_, {codecs.begin(), codecs.end()});
  for (std::size_t b = 0; b < buckets_.size(); ++b) operations_[b] = operations_of(b, codecs_);
  const std::vector<ExchangeState> now = state();
  for (Kept& old : kept) {
    const std::size_t parameter = old.state.parameter;
    const auto place = std::find_if(now.begin(), now.end(), [&](const ExchangeState& its) {
      return its.name == old.state.name && its.parameter == parameter && its.first == old.state.first &&
             its.values.size() == old.values.size();
    });
    if (place != now.end() && before[parameter] == codecs_[parameter]) {
      std::copy(old.values.begin(), old.values.end(), place->values.begin());
    } else if (old.state.kind == CompressionState::Kind::held_back) {
      take(parameter, old.state.first, weighted(std::move(old.values), old.state.weight));
    }
  }
}

std::vector<ExchangeState> CompressedOperations::state() {
  std::vector<ExchangeState> all;
  for (auto& of_bucket : operations_)
    for (CompressedAllreduce& operation : of_bucket)
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

std::vector<CompressionFacts> CompressedOperations::facts() const {
  std::vector<CompressionFacts> all(parameters_.size());
  for (const auto& of_bucket : operations_)
    for (const CompressedAllreduce& operation : of_bucket)
      for (std::size_t p = 0; p < operation.parts().size(); ++p) {
        const CompressionFacts& its = operation.facts()[p];
        CompressionFacts& sum = all[operation.parts()[p].tensor];
        sum.values += its.values;
        sum.error += its.error;
        sum.saturated += its.saturated;
      }
  return all;
}

}  // namespace tutti::trainer
