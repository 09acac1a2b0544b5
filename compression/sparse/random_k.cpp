// Compressed allreduce of the same random elements on all ranks.
//
// Before: every rank holds contributions and, with feedback, what it has held back of earlier ones. All draw the same
// elements (random_ranges.hpp), so no indices travel, and any allreduce adds up their values: d n of n, and a word for
// each part that is NaN if anything in it is not finite, which would not be seen if it were not drawn. What is not sent
// is held back; or, without feedback, what is sent is multiplied by 1/d, so that its mean over draws is the value. A
// rank sends 8 d n (P-1)/P bytes.
#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>
#include <memory>
#include <span>
#include <utility>
#include <vector>

#include <tutti/collectives/flight_recorder.hpp>
#include <tutti/compression/block/block_codec.hpp>
#include <tutti/compression/codec_rows.hpp>
#include <tutti/compression/reduction.hpp>
#include <tutti/compression/sparse/random_ranges.hpp>
#include <tutti/kernels/codecs/shared_scale.hpp>
#include <tutti/kernels/gradients.hpp>
#include <tutti/kernels/reduce.hpp>

namespace tutti::detail {
namespace {

class RandomK final : public Reduction {
 public:
  explicit RandomK(ReductionParts&& made_from) : Reduction(std::move(made_from)) {
    for (const TensorPart& part : parts()) {
      count_ += part.count;
      most_sent_ += static_cast<std::size_t>(std::ceil(static_cast<double>(part.count) * settings().density)) + 1;
    }
  }

  int stages() const noexcept override { return 1; }

  void allocate() override {
    if (memory_ != nullptr) return;
    const std::size_t residuals = settings().feedback ? count_ : 0;
    std::shared_ptr<void> memory = comm().allocate_bytes((residuals + most_sent_ + parts().size()) * sizeof(float));
    auto* floats = static_cast<float*>(memory.get());
    residual_ = {floats, residuals};
    sums_ = {floats + residuals, most_sent_ + parts().size()};
    memory_ = std::move(memory);
  }

  std::size_t payload_bytes() const noexcept override {
    return static_cast<std::size_t>(static_cast<double>(count_) * settings().density) * sizeof(float) +
           parts().size() * sizeof(float);
  }

  std::vector<CompressionState> state() override {
    std::vector<CompressionState> all;
    if (!settings().feedback) return all;
    for_each_part([&](std::size_t p, std::span<float> /*data*/, std::span<float> residual) {
      all.push_back({.name = "residual", .part = p, .values = residual});
    });
    return all;
  }

 private:
  /// A group of a part.
  struct Group {
    std::span<float> values;
    std::span<float> residual;  ///< empty: none
    RandomRanges::Range sent;

    float contribution(std::size_t i) const noexcept { return residual.empty() ? values[i] : values[i] + residual[i]; }

    /// Calls with the number of each element that is sent, in the order in which they are.
    template <class Use>
    void for_each_sent(Use use) const {
      for (std::size_t n = 0, i = sent.begin; n < sent.count; ++n) {
        use(i);
        if (++i == values.size()) i = 0;
      }
    }
  };

  std::unique_ptr<WaitingTask> begin_stage(const Stage& stage) override {
    const TraceSpan span("encode");
    float* to = sums_.data();
    for_each_part([&](std::size_t p, std::span<float> data, std::span<float> residual) {
      for_each_group(p, data, residual, [&](const Group& group) {
        group.for_each_sent([&](std::size_t i) { *to++ = group.contribution(i); });
      });
    });
    sent_ = static_cast<std::size_t>(to - sums_.data());
    for_each_part([&](std::size_t /*p*/, std::span<float> data, std::span<float> residual) {
      *to++ = is_finite(data, residual) ? 0.0F : std::numeric_limits<float>::quiet_NaN();
    });
    return start_allreduce(stage, Buffer(sums_.first(sent_ + parts().size())), ReduceOp::sum);
  }

  void end_stage(const Stage& /*stage*/) override {
    const TraceSpan span("decode");
    const std::span<float> sums = sums_.first(sent_);
    finish_reduction(op(), Buffer(sums), comm().size());
    if (!settings().feedback) scale(Buffer(sums), 1.0 / settings().density);
    const float* from = sums.data();
    for_each_part([&](std::size_t p, std::span<float> data, std::span<float> residual) {
      const bool is_finite_everywhere = sums_[sent_ + p] == 0.0F;
      CompressionFacts facts;
      for_each_group(p, data, residual, [&](const Group& group) {
        if (is_finite_everywhere) decode(group, from, facts);
        from += group.sent.count;
      });
      if (!is_finite_everywhere) std::fill(data.begin(), data.end(), std::numeric_limits<float>::quiet_NaN());
      add_facts(p, facts);
    });
  }

  /// The values become the sums of what was sent, and zeros. What was not sent is held back.
  void decode(const Group& group, const float* sums, CompressionFacts& facts) const {
    if (!group.residual.empty()) {
      const std::span<const float> residual = group.residual;
      reduce_local(ReduceOp::sum, ConstBuffer(group.values), ConstBuffer(residual), Buffer(group.residual));
    }
    // Of what was sent nothing is lost, or what it is multiplied by is too much.
    const std::span<float> sent_of = group.residual.empty() ? group.values : group.residual;
    const double squares = sum_of_squares(ConstBuffer(sent_of));
    const double too_much = group.residual.empty() ? 1.0 / settings().density - 1.0 : 0.0;
    double error = 0.0;
    group.for_each_sent([&](std::size_t i) {
      error += std::pow(too_much * static_cast<double>(sent_of[i]), 2);
      sent_of[i] = 0.0F;
    });
    facts.values += squares;
    facts.error += error + sum_of_squares(ConstBuffer(sent_of));
    std::fill(group.values.begin(), group.values.end(), 0.0F);
    group.for_each_sent([&](std::size_t i) { group.values[i] = *sums++; });
  }

  static bool is_finite(std::span<const float> values, std::span<const float> residual) {
    constexpr std::size_t kAtOnce = 64;
    std::array<std::uint32_t, kAtOnce> largest;
    for (std::size_t first = 0; first < values.size(); first += kAtOnce * kMaxSharedBlock) {
      const std::size_t count = std::min(kAtOnce * kMaxSharedBlock, values.size() - first);
      const auto found = std::span(largest).first((count + kMaxSharedBlock - 1) / kMaxSharedBlock);
      largest_magnitudes(values.subspan(first, count), residual.empty() ? residual : residual.subspan(first, count),
                         kMaxSharedBlock, found);
      if (std::any_of(found.begin(), found.end(), [](std::uint32_t bits) { return bits >= kNotFinite; })) return false;
    }
    return true;
  }

  template <class Use>
  void for_each_part(Use use) const {
    std::size_t place = 0;
    for (std::size_t p = 0; p < parts().size(); ++p) {
      const std::size_t count = parts()[p].count;
      use(p, data_of(parts()[p]), residual_.empty() ? residual_ : residual_.subspan(place, count));
      place += count;
    }
  }

  template <class Use>
  void for_each_group(std::size_t p, std::span<float> data, std::span<float> residual, Use use) const {
    // Of no contributor: all draw alike.
    const RandomRanges ranges(settings().seed, draw_stream(step(), parts()[p].tensor, UINT64_MAX), settings().density);
    for (std::size_t first = 0; first < data.size(); first += kPartAlignment) {
      const std::size_t count = std::min(kPartAlignment, data.size() - first);
      use(Group{.values = data.subspan(first, count),
                .residual = residual.empty() ? residual : residual.subspan(first, count),
                .sent = ranges.of_group(parts()[p].first + first, count)});
    }
  }

  std::size_t count_ = 0;         // values of all parts
  std::size_t most_sent_ = 0;     // of them in a call
  std::size_t sent_ = 0;          // in this call
  std::shared_ptr<void> memory_;  // of all that follows
  std::span<float> residual_;
  std::span<float> sums_;  // of what is sent, and a word for each part
};

std::shared_ptr<Reduction> make_random_k(ReductionParts&& parts) { return std::make_shared<RandomK>(std::move(parts)); }

constexpr CodecParameter kRandomDensityParameter = {.name = "density",
                                                    .meaning = "the fraction of a tensor that is sent",
                                                    .slot = &CodecSettings::density,
                                                    .low = 1e-6,
                                                    .high = 1.0};
constexpr std::array<const CodecParameter*, 3> kRandomKParameters = {&kRandomDensityParameter, &kFeedbackParameter,
                                                                     &kSeedParameter};

constexpr Codec kRandomK = {
    .name = "randomk",
    .summary = "a random fraction d of the values, the same ones on all ranks, without indices",
    .error =
        "with feedback |C(x) - x|^2 = (1 - d) |x|^2 on average; without, 1/d times the values: unbiased, variance "
        "(1/d - 1) |x|^2",
    .source = "Stich et al., Sparsified SGD with memory, arXiv:1809.07599",
    .feedback = Feedback::advised,
    .sums_codes = true,
    .parameters = kRandomKParameters,
    .bits = [](const CodecSettings& settings, std::size_t, int) { return 32.0 * settings.density; },
    .make = make_random_k};

}  // namespace

std::span<const Codec* const> random_codecs() noexcept {
  static constexpr std::array<const Codec*, 1> kRows = {&kRandomK};
  return kRows;
}

}  // namespace tutti::detail
