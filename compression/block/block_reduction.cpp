// Compressed allreduce by decoding: encoded slices go to their owners, who add them up and send the encoded sums to
// all.
//
// Before: every rank holds contributions and what it has held back of earlier ones. An all-to-all brings the P encoded
// versions of slice r to rank r; it decodes and adds them in rank order, adds what it has held back of earlier sums,
// encodes that, and an all-gather brings it to all ranks, the owner decoding its own too. Bytes per rank: 2 (P-1)/P
// times the encoded size.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <utility>
#include <vector>

#include <tutti/collectives/flight_recorder.hpp>
#include <tutti/compression/block/block_codec.hpp>
#include <tutti/compression/block/block_layout.hpp>
#include <tutti/compression/reduction.hpp>
#include <tutti/kernels/reduce.hpp>

namespace tutti::detail {
namespace {

enum StageNumber : int { exchange, gather };
constexpr int kStages = 2;

enum class Phase : std::uint64_t { contribution, sum };

class BlockReduction final : public Reduction {
 public:
  explicit BlockReduction(ReductionParts&& made_from)
      : Reduction(std::move(made_from)),
        codec_(make_block_codec(settings())),
        layout_(parts(), *codec_, ranks()),
        bytes_(ranks() * layout_.slice_bytes()) {}

  int stages() const noexcept override { return kStages; }

  void allocate() override {
    if (memory_ != nullptr) return;
    std::size_t own = 0;
    for (const BlockLayout::Run& run : layout_.slice(rank())) own += run.count;
    const std::size_t residuals = settings().feedback ? layout_.count() + own : 0;
    std::shared_ptr<void> memory = comm().allocate_bytes(2 * bytes_ + residuals * sizeof(float) + kAlignment);
    auto* begin = static_cast<std::byte*>(memory.get());
    outgoing_ = {begin, bytes_};
    incoming_ = {begin + bytes_, bytes_};
    if (settings().feedback) {
      auto* floats = reinterpret_cast<float*>(begin + (2 * bytes_ + kAlignment - 1) / kAlignment * kAlignment);
      residual_ = {floats, layout_.count()};
      owner_residual_ = {floats + layout_.count(), own};
    }
    memory_ = std::move(memory);
  }

  std::size_t payload_bytes() const noexcept override { return layout_.encoded_bytes(); }

  std::vector<CompressionState> state() override {
    std::vector<CompressionState> all;
    if (!settings().feedback) return all;
    std::size_t place = 0;
    for (std::size_t p = 0; p < parts().size(); ++p) {
      all.push_back({.name = "residual", .part = p, .values = residual_.subspan(place, parts()[p].count)});
      place += parts()[p].count;
    }
    std::size_t own = 0;
    for (const BlockLayout::Run& run : layout_.slice(rank())) {
      all.push_back({.name = "owner_residual",
                     .part = run.part,
                     .first = run.first,
                     .values = owner_residual_.subspan(own, run.count),
                     .weight = op() == ReduceOp::avg ? static_cast<double>(ranks()) : 1.0});
      own += run.count;
    }
    return all;
  }

 private:
  static constexpr std::size_t kAlignment = 64;
  using Run = BlockLayout::Run;

  std::unique_ptr<WaitingTask> begin_stage(const Stage& stage) override {
    if (stage.number() == gather) {
      encode_own_slice();
      return start_all_gather(stage, slice_of(outgoing_, rank()), incoming_);
    }
    const TraceSpan span("encode");
    for (std::size_t r = 0; r < ranks(); ++r)
      for (const Run& run : layout_.slice(r))
        add_facts(run.part,
                  encode(run, part_of(residual_, run.place, run.count), Phase::contribution, slice_of(outgoing_, r)));
    return start_all_to_all(stage, outgoing_, incoming_);
  }

  void end_stage(const Stage& stage) override {
    if (stage.number() == exchange) return sum_own_slice();
    const TraceSpan span("decode");
    for (std::size_t r = 0; r < ranks(); ++r)
      for (const Run& run : layout_.slice(r)) codec_->decode(encoded(run, slice_of(incoming_, r)), values(run));
  }

  void sum_own_slice() {
    const TraceSpan span("decode");
    for (const Run& run : layout_.slice(rank())) {
      const std::span<float> sum = values(run);
      codec_->decode(encoded(run, slice_of(incoming_, 0)), sum);
      for (std::size_t r = 1; r < ranks(); ++r) codec_->decode_add(encoded(run, slice_of(incoming_, r)), sum);
      finish_reduction(op(), Buffer(sum), comm().size());
    }
  }

  void encode_own_slice() {
    const TraceSpan span("encode");
    std::size_t own = 0;
    for (const Run& run : layout_.slice(rank())) {
      encode(run, part_of(owner_residual_, own, run.count), Phase::sum, slice_of(outgoing_, rank()));
      own += run.count;
    }
  }

  CompressionFacts encode(const Run& run, std::span<float> residual, Phase phase, std::span<std::byte> slice) const {
    const TensorPart& part = parts()[run.part];
    const std::uint64_t contributor = phase == Phase::sum ? ranks() : rank();
    const Draw draw = {.seed = settings().seed,
                       .stream = draw_stream(step(), part.tensor, contributor),
                       .first = part.first + run.first};
    return codec_->encode(values(run), residual, draw, encoded(run, slice));
  }

  std::span<float> values(const Run& run) const { return data_of(parts()[run.part]).subspan(run.first, run.count); }
  std::span<std::byte> slice_of(std::span<std::byte> all, std::size_t r) const {
    return all.subspan(r * layout_.slice_bytes(), layout_.slice_bytes());
  }
  static std::span<std::byte> encoded(const Run& run, std::span<std::byte> slice) {
    return slice.subspan(run.encoded, run.bytes);
  }
  static std::span<float> part_of(std::span<float> residual, std::size_t first, std::size_t count) {
    return residual.empty() ? residual : residual.subspan(first, count);
  }

  std::unique_ptr<const BlockCodec> codec_;
  BlockLayout layout_;
  std::size_t bytes_;             // of all encoded slices
  std::shared_ptr<void> memory_;  // of all that follows
  std::span<std::byte> outgoing_, incoming_;
  std::span<float> residual_;        // of all parts
  std::span<float> owner_residual_;  // of this rank's slice
};

}  // namespace

std::shared_ptr<Reduction> make_block_reduction(ReductionParts&& parts) {
  return std::make_shared<BlockReduction>(std::move(parts));
}

}  // namespace tutti::detail
