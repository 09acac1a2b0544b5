// Gradients are added over all ranks, every step, as in allreduce.cpp, but travel encoded, each parameter as the policy
// says (compression_policy.hpp).
//
// A guard compares now and then what came of a bucket with the sum of its gradients as they are, for which a copy is
// kept.
// With exchange.overflow = "fall_back" it is kept in every step: a gradient beyond the range of its codec is exchanged
// anew as it is, before anything is updated.
#include <fmt/core.h>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <tutti/allreduce/allreduce.hpp>
#include <tutti/collectives/flight_recorder.hpp>
#include <tutti/kernels/finite.hpp>
#include <tutti/kernels/gradients.hpp>
#include <tutti/trainer/exchange/bucketwise.hpp>
#include <tutti/trainer/exchange/compressed_operations.hpp>
#include <tutti/trainer/exchange/compression_guard.hpp>
#include <tutti/trainer/exchange/compression_policy.hpp>
#include <tutti/trainer/exchange/exchange.hpp>

namespace tutti::trainer {

namespace {

class CompressedExchange final : public BucketwiseExchange {
 public:
  explicit CompressedExchange(const ExchangeParts& parts)
      : BucketwiseExchange(parts),
        comm_(parts.comm),
        parameters_(parts.parameters),
        compress_after_(static_cast<std::uint64_t>(parts.options.compress_after)),
        falls_back_(parts.options.overflow == "fall_back"),
        policy_(compression_of(parameters_, parts.options)),
        codecs_(policy_),
        guard_(parts.options, parameters_),
        operations_(parts.comm, parts.buckets, parameters_),
        measures_(parameters_.size()) {
    // What cannot be on so many ranks is an error now, not when it is first needed.
    std::vector<CodecSettings> needed = codecs_;
    needed.push_back(guard_.fallback());
    for (const CodecSettings& settings : needed)
      const CompressedAllreduce tried(comm_, {{.count = kPartAlignment, .rows = 32}}, settings, ReduceOp::sum);
  }

  void begin(std::uint64_t step) override {
    BucketwiseExchange::begin(step);
    prepare(step);
    is_checked_ = compresses_ && guard_.is_due(step);
    std::fill(measures_.begin(), measures_.end(), CompressionMeasure{});
    looked_at_ = 0;
    if (compresses_ && falls_back_) copies_.resize(buckets().plan().count);
    if (is_compared(guard_.place(step, buckets().size())))
      copies_.resize(std::max(copies_.size(), buckets().plan().buckets[guard_.place(step, buckets().size())].count));
  }

  void prepare(std::uint64_t step) override {
    if (step < compress_after_ || (compresses_ && !has_changed_)) return;
    compresses_ = true;
    has_changed_ = false;
    operations_.choose(codecs_, [this](std::size_t parameter, std::size_t first, std::span<const float> values) {
      add_to_next_step(parameter, first, values);
    });
  }

  void wait(std::size_t bucket) override {
    BucketwiseExchange::wait(bucket);
    for (; looked_at_ <= bucket; ++looked_at_) {
      // Lists have lengths of their own in each step.
      for (const CompressedAllreduce& operation : operations_.of(looked_at_)) add_payload(operation.payload_bytes());
      look_at(looked_at_);
    }
  }

  void finish() override {
    if (!std::exchange(is_checked_, false)) return;
    add_up_measures();
    std::vector<CodecSettings> judged = codecs_;  // not those that took the place of others in this step
    for (const CompressionCheck& check : checks_) judged[check.parameter] = {};
    const std::vector<CompressionCheck> found = guard_.judge(measures_, judged);
    for (const CompressionCheck& check : found)
      if (!check.remedy.empty()) codecs_[check.parameter] = judged[check.parameter];
    for (CompressionCheck check : found) {
      has_changed_ = has_changed_ || !check.remedy.empty();
      checks_.push_back(std::move(check));
    }
  }

  std::vector<ExchangeState> state() override {
    std::vector<ExchangeState> all = BucketwiseExchange::state();
    for (const ExchangeState& its : operations_.state()) all.push_back(its);
    return all;
  }

  std::vector<CompressionCheck> take_checks() override { return std::exchange(checks_, {}); }

  std::vector<int> failed_checks() const override { return guard_.failures(); }
  void restore_failed_checks(const std::vector<int>& failures) override { guard_.restore(failures); }

  std::vector<ReplacedCodec> replaced_codecs() const override {
    std::vector<ReplacedCodec> replaced;
    for (std::size_t i = 0; i < codecs_.size(); ++i)
      if (codecs_[i] != policy_[i])
        replaced.push_back({.parameter = i, .from = to_text(policy_[i]), .to = to_text(codecs_[i])});
    return replaced;
  }

  void replace_codecs(std::span<const ReplacedCodec> codecs) override {
    for (const ReplacedCodec& replaced : codecs) {
      if (to_text(policy_[replaced.parameter]) != replaced.from) continue;
      codecs_[replaced.parameter] = codec_settings(replaced.to);
      has_changed_ = true;
    }
  }

 private:
  void start(std::size_t bucket, std::vector<Request>& operations) override {
    const Buffer gradients = buckets().gradients(bucket);
    if (operations_.of(bucket).empty()) {
      add_payload(gradients.size_bytes());
      operations.push_back(iallreduce(comm_, gradients, ReduceOp::sum));
      return;
    }
    if (falls_back_ || is_compared(bucket)) std::memcpy(copy_of(bucket).data, gradients.data, gradients.size_bytes());
    if (is_checked_) {
      for (const BucketPlan::Piece& piece : pieces_of(bucket))
        measures_[piece.parameter].gradient += sum_of_squares(within(gradients, piece, bucket));
    }
    for (CompressedAllreduce& operation : operations_.of(bucket))
      operations.push_back(operation.start({static_cast<float*>(gradients.data), gradients.count}, step()));
  }

  /// The sum of a bucket has come. What it does depends on its bits, so all ranks do the same.
  void look_at(std::size_t bucket) {
    if (operations_.of(bucket).empty()) return;
    const Buffer came = buckets().gradients(bucket);
    const bool overflows = falls_back_ && !all_finite(came);
    if (!is_compared(bucket) && !overflows) return;
    const Stopwatch exposed(*this);
    const TraceSpan span("exchange gradients as they are");
    const Buffer sum = copy_of(bucket);
    add_payload(sum.size_bytes());
    allreduce(comm_, sum, ReduceOp::sum);
    for (const BucketPlan::Piece& piece : pieces_of(bucket)) {
      const Buffer its = within(came, piece, bucket);
      const Buffer exact = within(sum, piece, bucket);
      if (falls_back_ && !all_finite(its) && all_finite(exact)) fall_back(piece.parameter, its, exact);
      if (is_compared(bucket)) measure(piece.parameter, its, exact);
    }
  }

  void fall_back(std::size_t parameter, Buffer came, Buffer exact) {
    std::memcpy(came.data, exact.data, exact.size_bytes());
    CodecSettings& codec = codecs_[parameter];
    if (std::any_of(checks_.begin(), checks_.end(), [&](const auto& c) { return c.parameter == parameter; })) return;
    const CodecSettings& milder = guard_.milder_than(codec);
    checks_.push_back({.parameter = parameter,
                       .codec = to_text(codec),
                       .problem = "a gradient is beyond the codec's range",
                       .remedy = to_text(milder)});
    codec = milder;
    has_changed_ = true;
  }

  void measure(std::size_t parameter, ConstBuffer came, ConstBuffer sum) {
    const auto* a = static_cast<const float*>(came.data);
    const auto* b = static_cast<const float*>(sum.data);
    CompressionMeasure& its = measures_[parameter];
    for (std::size_t i = 0; i < came.count; ++i) {
      const auto x = static_cast<double>(a[i]);
      const auto y = static_cast<double>(b[i]);
      its.product += x * y;
      its.came += x * x;
      its.sum += y * y;
      its.difference += (x - y) * (x - y);
    }
  }

  /// What each rank found of its own becomes what all found.
  void add_up_measures() {
    const Stopwatch exposed(*this);
    const std::vector<CompressionFacts> facts = operations_.facts();
    std::vector<double> sums;
    for (std::size_t p = 0; p < parameters_.size(); ++p)
      sums.insert(sums.end(),
                  {facts[p].values, facts[p].error, static_cast<double>(facts[p].saturated), measures_[p].gradient});
    allreduce(comm_, std::span<double>(sums), ReduceOp::sum);
    for (std::size_t p = 0; p < parameters_.size(); ++p) {
      CompressionMeasure& its = measures_[p];
      const double count = static_cast<double>(parameters_[p].count()) * comm_.size();
      its.values = sums[4 * p];
      its.held_back = sums[4 * p + 1];
      its.saturated = count > 0.0 ? sums[4 * p + 2] / count : 0.0;
      its.gradient = sums[4 * p + 3];
    }
  }

  std::span<const BucketPlan::Piece> pieces_of(std::size_t bucket) const {
    return buckets().plan().buckets[bucket].pieces;
  }
  Buffer within(Buffer memory, const BucketPlan::Piece& piece, std::size_t bucket) const {
    const BucketPlan& plan = buckets().plan();
    return memory.slice(plan.offset_of(piece) - plan.buckets[bucket].offset, piece.count);
  }
  Buffer copy_of(std::size_t bucket) {
    const BucketPlan::Bucket& its = buckets().plan().buckets[bucket];
    return Buffer(std::span(copies_).subspan(falls_back_ ? its.offset : 0, its.count));
  }

  bool is_compared(std::size_t bucket) const noexcept {
    return is_checked_ && bucket == guard_.place(step(), buckets().size());
  }

  const Communicator& comm_;
  const std::span<const ParameterInfo> parameters_;
  const std::uint64_t compress_after_;
  const bool falls_back_;
  const std::vector<CodecSettings> policy_;  // by parameter
  std::vector<CodecSettings> codecs_;        // those of now
  CompressionGuard guard_;
  CompressedOperations operations_;
  bool compresses_ = false;
  bool has_changed_ = false;   // codecs_ are others than those of the operations
  bool is_checked_ = false;    // this step
  std::size_t looked_at_ = 0;  // buckets of this step
  std::vector<float> copies_;  // of this rank's gradients: all of them if it falls back, or those that are compared
  std::vector<CompressionMeasure> measures_;
  std::vector<CompressionCheck> checks_;
};

}  // namespace

std::unique_ptr<Exchange> make_compressed_exchange(const ExchangeParts& parts) {
  return std::make_unique<CompressedExchange>(parts);
}

}  // namespace tutti::trainer
