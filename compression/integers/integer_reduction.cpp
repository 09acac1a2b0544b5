// Compressed allreduce on integers: all ranks agree on a scale for each block, and their codes are added as they are.
//
// Before: every rank holds contributions and what it has held back of earlier ones. An allreduce of the largest
// magnitude of each block gives all ranks its scale; to read memory once, that is the sum of the largest contribution
// and the largest that is held back, which was found when it was. Then every value is rounded once, and integers are
// added, in which nothing is lost and order does not matter:
//   narrow   any allreduce of codes
//   wide     an all-to-all brings the P versions of slice r to rank r, which adds them up in integers twice as wide,
//   and
//            an all-gather brings those to all ranks
// Every rank decodes the same sums. With w bytes a code and n values, a rank sends 2 n w (P-1)/P bytes, or wide 3 n w
// (P-1)/P, and 8 (P-1)/P more for each block.
#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

#include <tutti/collectives/flight_recorder.hpp>
#include <tutti/compression/block/block_codec.hpp>
#include <tutti/compression/codec_rows.hpp>
#include <tutti/compression/integers/integer_plan.hpp>
#include <tutti/compression/reduction.hpp>
#include <tutti/kernels/codecs/shared_scale.hpp>

namespace tutti::detail {
namespace {

class IntegerReduction final : public Reduction {
 public:
  explicit IntegerReduction(ReductionParts&& made_from)
      : Reduction(std::move(made_from)), plan_(plan_integers(settings(), ranks())) {
    for (const TensorPart& part : parts()) {
      count_ += part.count;
      blocks_ += blocks_of(part);
      codes_ += codes_of(part);
    }
    slice_ = plan_.widens() ? (codes_ + ranks() - 1) / ranks() : 0;
  }

  int stages() const noexcept override { return plan_.widens() ? 3 : 2; }

  void allocate() override {
    if (memory_ != nullptr) return;
    const std::size_t padded = plan_.widens() ? slice_ * ranks() : codes_;
    const std::size_t residuals = settings().feedback ? count_ * sizeof(float) : 0;
    const std::size_t held = settings().feedback ? blocks_ : 0;
    const std::array<std::size_t, 6> bytes = {blocks_ * sizeof(std::uint32_t),
                                              held * sizeof(std::uint32_t),
                                              residuals,
                                              padded * size_of(plan_.codes),
                                              plan_.widens() ? padded * size_of(plan_.codes) : 0,
                                              plan_.widens() ? padded * size_of(plan_.sums) : 0};
    std::array<std::byte*, bytes.size()> places{};
    std::size_t all = 0;
    for (const std::size_t of_one : bytes) all += aligned(of_one);
    std::shared_ptr<void> memory = comm().allocate_bytes(all);
    auto* place = static_cast<std::byte*>(memory.get());
    for (std::size_t i = 0; i < bytes.size(); ++i, place += aligned(bytes[i - 1])) places[i] = place;
    largest_ = {reinterpret_cast<std::uint32_t*>(places[0]), blocks_};
    held_ = {reinterpret_cast<std::uint32_t*>(places[1]), held};
    residual_ = {reinterpret_cast<float*>(places[2]), residuals / sizeof(float)};
    outgoing_ = Buffer(places[3], padded, plan_.codes);
    incoming_ = Buffer(places[4], plan_.widens() ? padded : 0, plan_.codes);
    sums_ = plan_.widens() ? Buffer(places[5], padded, plan_.sums) : outgoing_;
    memory_ = std::move(memory);
  }

  std::size_t payload_bytes() const noexcept override {
    return blocks_ * sizeof(std::uint32_t) + codes_ * size_of(plan_.codes);
  }

  std::vector<CompressionState> state() override {
    std::vector<CompressionState> all;
    if (!settings().feedback) return all;
    held_is_known_ = false;  // they may be written
    for_each_part([&](std::size_t p, const Place& at) {
      all.push_back({.name = "residual", .part = p, .values = residual_of(parts()[p], at)});
    });
    return all;
  }

 private:
  enum StageNumber : int { scale, add, gather };
  static constexpr std::size_t kAlignment = 64;

  /// Of the first value of a part among those of all parts.
  struct Place {
    std::size_t value = 0;
    std::size_t block = 0;
    std::size_t code = 0;
  };

  std::unique_ptr<WaitingTask> begin_stage(const Stage& stage) override {
    if (stage.number() == scale) {
      const TraceSpan span("scale");
      find_largest();
      return start_allreduce(stage, Buffer(largest_), ReduceOp::max);
    }
    if (stage.number() == gather) {
      const Buffer own = slice_of(sums_);
      return start_all_gather(stage, bytes_of(own), bytes_of(sums_));
    }
    encode();
    if (!plan_.widens()) return start_allreduce(stage, outgoing_, ReduceOp::sum);
    return start_all_to_all(stage, bytes_of(outgoing_), bytes_of(incoming_));
  }

  void end_stage(const Stage& stage) override {
    if (stage.number() == scale) return;
    if (stage.number() + 1 == stages()) return decode();
    const TraceSpan span("add");
    const Buffer own = slice_of(sums_);
    if (own.count == 0) return;
    std::memset(own.data, 0, own.size_bytes());
    for (std::size_t r = 0; r < ranks(); ++r) add_codes(incoming_.slice(r * slice_, slice_), own);
  }

  /// The largest magnitude of a sum is at most the sum of both largest, also rounded.
  void find_largest() {
    for_each_part([&](std::size_t p, const Place& at) {
      const std::span<std::uint32_t> largest = blocks_of_part(largest_, p, at);
      largest_magnitudes(data_of(parts()[p]), {}, plan_.grid.block, largest);
      if (!settings().feedback) return;
      const std::span<std::uint32_t> held = blocks_of_part(held_, p, at);
      if (!held_is_known_) largest_magnitudes(residual_of(parts()[p], at), {}, plan_.grid.block, held);
      for (std::size_t b = 0; b < largest.size(); ++b) {
        const float sum = std::bit_cast<float>(largest[b]) + std::bit_cast<float>(held[b]);
        largest[b] = std::bit_cast<std::uint32_t>(sum) & 0x7FFFFFFFU;  // NaN has a sign
      }
    });
    held_is_known_ = true;
  }

  void encode() {
    const TraceSpan span("encode");
    const bool draws = settings().rounding == "stochastic";
    for_each_part([&](std::size_t p, const Place& at) {
      const TensorPart& part = parts()[p];
      const Draw draw = {
          .seed = settings().seed, .stream = draw_stream(step(), part.tensor, rank()), .first = part.first};
      const CodeSums sums = encode_shared(data_of(part), residual_of(part, at), plan_.grid,
                                          blocks_of_part(largest_, p, at), draws ? &draw : nullptr,
                                          outgoing_.slice(at.code, codes_of(part)), blocks_of_part(held_, p, at));
      add_facts(p, {.values = sums.squares, .error = sums.errors});
    });
  }

  void decode() {
    const TraceSpan span("decode");
    const int divisor = op() == ReduceOp::avg ? static_cast<int>(ranks()) : 1;
    for_each_part([&](std::size_t p, const Place& at) {
      const TensorPart& part = parts()[p];
      decode_shared(sums_.slice(at.code, codes_of(part)), plan_.grid, static_cast<int>(ranks()),
                    blocks_of_part(largest_, p, at), divisor, data_of(part));
    });
  }

  template <class Use>
  void for_each_part(Use use) const {
    Place at;
    for (std::size_t p = 0; p < parts().size(); ++p) {
      use(p, at);
      at.value += parts()[p].count;
      at.block += blocks_of(parts()[p]);
      at.code += codes_of(parts()[p]);
    }
  }

  std::size_t blocks_of(const TensorPart& part) const noexcept {
    return (part.count + plan_.grid.block - 1) / plan_.grid.block;
  }
  std::size_t codes_of(const TensorPart& part) const noexcept {
    return code_count(part.count, plan_.grid.block, plan_.codes);
  }
  std::span<std::uint32_t> blocks_of_part(std::span<std::uint32_t> all, std::size_t p, const Place& at) const {
    return all.empty() ? all : all.subspan(at.block, blocks_of(parts()[p]));
  }
  std::span<float> residual_of(const TensorPart& part, const Place& at) const {
    return residual_.empty() ? residual_ : residual_.subspan(at.value, part.count);
  }
  Buffer slice_of(const Buffer& all) const noexcept { return all.slice(rank() * slice_, slice_); }
  static std::span<std::byte> bytes_of(const Buffer& buffer) noexcept {
    return {static_cast<std::byte*>(buffer.data), buffer.size_bytes()};
  }
  static constexpr std::size_t aligned(std::size_t bytes) noexcept {
    return (bytes + kAlignment - 1) / kAlignment * kAlignment;
  }

  IntegerPlan plan_;
  std::size_t count_ = 0;  // values, blocks and codes of all parts
  std::size_t blocks_ = 0;
  std::size_t codes_ = 0;
  std::size_t slice_ = 0;             // codes that each rank adds up, where sums are wide
  std::shared_ptr<void> memory_;      // of all that follows
  std::span<std::uint32_t> largest_;  // magnitudes by block: of what is sent, on all ranks in the end
  std::span<std::uint32_t> held_;     // and of what is held back
  bool held_is_known_ = true;         // at first it is zero
  std::span<float> residual_;
  Buffer outgoing_, incoming_, sums_;
};

std::shared_ptr<Reduction> make_integer_reduction(ReductionParts&& parts) {
  return std::make_shared<IntegerReduction>(std::move(parts));
}

constexpr std::array<std::string_view, 3> kSums = {"auto", "narrow", "wide"};
constexpr CodecParameter kSumsParameter = {
    .name = "sums",
    .meaning = "as narrow as codes, which leaves these fewer bits the more ranks there are, or twice as wide",
    .slot = &CodecSettings::sums,
    .choices = kSums};
constexpr std::array<std::string_view, 2> kScales = {"largest", "power_of_two"};
constexpr CodecParameter kScaleParameter = {
    .name = "scale",
    .meaning = "the largest value is the largest integer, or a unit is a power of two: nothing but the code is rounded",
    .slot = &CodecSettings::scale,
    .choices = kScales};
// Parts of a tensor begin with a block, so that results do not depend on where it is cut.
static_assert(kMaxSharedBlock == kPartAlignment);
constexpr CodecParameter kSharedBlockParameter = {.name = "block",
                                                  .meaning = "values that have a scale in common: a power of two",
                                                  .slot = &CodecSettings::block,
                                                  .low = 16,
                                                  .high = static_cast<double>(kMaxSharedBlock),
                                                  .is_power_of_two = true};
constexpr std::array<const CodecParameter*, 6> kIntegerParameters = {&kFeedbackParameter, &kRoundingParameter,
                                                                     &kSeedParameter,     &kSharedBlockParameter,
                                                                     &kSumsParameter,     &kScaleParameter};

double with_block_scale(double bits, const CodecSettings& settings) {
  return bits + 32.0 / static_cast<double>(settings.block);
}

constexpr std::string_view kIntegerError =
    "|C(x) - x| <= u / 2, u = M / L, M the largest magnitude in a block on any rank (with feedback that of values plus "
    "that held back), L the largest integer; stochastic: unbiased, variance at most u^2 / 4";

constexpr Codec integer_row(std::string_view name, std::string_view summary,
                            double (*bits)(const CodecSettings&, std::size_t, int)) {
  return {.name = name,
          .summary = summary,
          .error = kIntegerError,
          .source = "integers of a shared scale: Mishchenko et al., IntSGD, arXiv:2102.08374",
          .feedback = Feedback::advised,
          .sums_codes = true,
          .parameters = kIntegerParameters,
          .bits = bits,
          .make = make_integer_reduction};
}

constexpr Codec kInt16 =
    integer_row("int16", "integers of 16 bits on the scale of a block, which all ranks share",
                [](const CodecSettings& s, std::size_t, int) { return with_block_scale(16.0, s); });
constexpr Codec kInt8 = integer_row("int8", "integers of 8 bits on the scale of a block, which all ranks share",
                                    [](const CodecSettings& s, std::size_t, int) { return with_block_scale(8.0, s); });
constexpr Codec kInt4 = integer_row("int4", "integers of 4 bits on the scale of a block, which all ranks share",
                                    [](const CodecSettings& s, std::size_t, int) { return with_block_scale(4.0, s); });

}  // namespace

std::span<const Codec* const> integer_codecs() noexcept {
  static constexpr std::array<const Codec*, 3> kRows = {&kInt16, &kInt8, &kInt4};
  return kRows;
}

}  // namespace tutti::detail
