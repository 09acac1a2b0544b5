// Compressed allreduce of matrices as products of two thin ones (PowerSGD: Vogels et al., arXiv:1905.13727).
//
// Before: every rank holds a matrix M of a x b, what it has held back of earlier ones, and the same right factor Q of
// r x b, that of the last call. An allreduce of P = M Q^T gives all ranks the same columns, which each makes
// orthonormal; a second one of P^T M gives all ranks the right factor of the sum of all M, and P Q is the sum,
// projected onto the columns of P. A rank holds back M - P P^T M, what its own contribution lacks: to take the
// difference from the mean instead would give the same sum, but let residuals of unlike ranks grow without end.
//
// Both are linear in M, so N ranks give what one rank with the mean would. What is no matrix, or would not shrink
// enough, travels as it is with the second allreduce. A rank sends 8 r (a + b) (P-1)/P bytes for a matrix, in two
// allreduces, and does 8 r operations for each of its elements.
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
#include <tutti/kernels/codecs/draws.hpp>
#include <tutti/kernels/codecs/low_rank.hpp>
#include <tutti/kernels/finite.hpp>
#include <tutti/kernels/reduce.hpp>

namespace tutti::detail {
namespace {

/// A part that travels as two factors, and where they lie.
struct Matrix {
  std::size_t part = 0;
  LowRank shape;
  std::size_t residual = 0;  ///< places among those of all matrices
  std::size_t left = 0;
  std::size_t right = 0;
  double squares = 0.0;   ///< sum of those of this rank's, in this call
  bool is_finite = true;  ///< on all ranks, in this call
};

bool is_finite(std::span<const float> values) { return all_finite(ConstBuffer(values)); }

class PowerSgd final : public Reduction {
 public:
  explicit PowerSgd(ReductionParts&& made_from) : Reduction(std::move(made_from)) {
    for (std::size_t p = 0; p < parts().size(); ++p) {
      const LowRank shape = shape_of(parts()[p]);
      if (shape.rank == 0) {
        plain_ += parts()[p].count;
        continue;
      }
      matrices_.push_back({.part = p, .shape = shape, .residual = values_, .left = left_, .right = right_});
      values_ += parts()[p].count;
      left_ += shape.rows * shape.rank;
      right_ += shape.rank * shape.columns;
      scratch_count_ = std::max({scratch_count_, shape.rows * shape.rank, shape.columns * shape.rank});
    }
  }

  int stages() const noexcept override { return matrices_.empty() ? 1 : 2; }

  void allocate() override {
    if (memory_ != nullptr) return;
    const std::size_t residuals = settings().feedback ? values_ : 0;
    const std::size_t floats = left_ + right_ + (right_ + plain_) + right_ + residuals;
    std::shared_ptr<void> memory = comm().allocate_bytes(scratch_count_ * sizeof(double) + floats * sizeof(float));
    scratch_ = {static_cast<double*>(memory.get()), scratch_count_};
    auto* place = reinterpret_cast<float*>(scratch_.data() + scratch_count_);
    for (const auto& [span, count] :
         {std::pair(&lefts_, left_), std::pair(&owns_, right_), std::pair(&sums_, right_ + plain_),
          std::pair(&factors_, right_), std::pair(&residuals_, residuals)}) {
      *span = {place, count};
      place += count;
    }
    memory_ = std::move(memory);
  }

  std::size_t payload_bytes() const noexcept override { return (left_ + right_ + plain_) * sizeof(float); }

  std::vector<CompressionState> state() override {
    std::vector<CompressionState> all;
    for (const Matrix& matrix : matrices_) {
      if (settings().feedback) all.push_back({.name = "residual", .part = matrix.part, .values = residual_of(matrix)});
      all.push_back({.name = "factor",
                     .kind = CompressionState::Kind::common,
                     .part = matrix.part,
                     .values = right_of(factors_, matrix)});
    }
    return all;
  }

 private:
  /// Rank 0: as it is.
  LowRank shape_of(const TensorPart& part) const {
    if (part.rows == 0 || part.count == 0) return {};
    LowRank shape = {.rows = part.rows, .columns = part.count / part.rows};
    const std::size_t rank = std::min({static_cast<std::size_t>(settings().rank), shape.rows, shape.columns});
    const double sent = static_cast<double>((shape.rows + shape.columns) * rank) * settings().min_rate;
    if (sent <= static_cast<double>(part.count)) shape.rank = rank;
    return shape;
  }

  std::unique_ptr<WaitingTask> begin_stage(const Stage& stage) override {
    if (stage.number() + 1 == stages()) {
      const TraceSpan span("encode");
      for (Matrix& matrix : matrices_) project(matrix);
      copy_plain([](float* sum, std::span<float> data) { std::memcpy(sum, data.data(), data.size_bytes()); });
      return start_allreduce(stage, Buffer(sums_), ReduceOp::sum);
    }
    const TraceSpan span("encode");
    for (Matrix& matrix : matrices_) {
      const std::span<float> factor = right_of(owns_, matrix);  // which is not needed until later
      prepare_factor(matrix, factor);
      matrix.squares = multiply_from_right(matrix.shape, data_of(matrix), residual_of(matrix), factor, left_of(matrix));
    }
    return start_allreduce(stage, Buffer(lefts_), ReduceOp::sum);
  }

  void end_stage(const Stage& stage) override {
    if (stage.number() + 1 < stages()) return;
    const TraceSpan span("decode");
    for (Matrix& matrix : matrices_) replace(matrix);
    finish_reduction(op(), Buffer(sums_.subspan(right_)), comm().size());
    copy_plain([](const float* sum, std::span<float> data) { std::memcpy(data.data(), sum, data.size_bytes()); });
  }

  /// Makes the sum of left factors orthonormal, and this rank's right factor from it.
  void project(Matrix& matrix) {
    const std::span<float> left = left_of(matrix);
    const std::span<float> own = right_of(owns_, matrix);
    matrix.is_finite = is_finite(left);
    if (matrix.is_finite) {
      orthonormalise({.vectors = matrix.shape.rank, .length = matrix.shape.rows, .interleaved = true}, left,
                     scratch_.first(left.size()));
      multiply_from_left(matrix.shape, data_of(matrix), left, own);
    } else {
      std::fill(own.begin(), own.end(), 0.0F);
    }
    std::copy(own.begin(), own.end(), right_of(sums_, matrix).begin());
  }

  /// The data become the sum of all ranks. Where that is not finite, what is held back stays, and so does the factor.
  void replace(Matrix& matrix) {
    const std::span<float> sum = right_of(sums_, matrix);
    const std::span<float> data = data_of(matrix);
    if (!matrix.is_finite || !is_finite(sum)) {
      std::fill(data.begin(), data.end(), std::numeric_limits<float>::quiet_NaN());
      return;
    }
    finish_reduction(op(), Buffer(sum), comm().size());
    const double error = expand(matrix.shape, left_of(matrix), right_of(owns_, matrix), sum, data, residual_of(matrix));
    add_facts(matrix.part, {.values = matrix.squares, .error = error});
    std::copy(sum.begin(), sum.end(), right_of(factors_, matrix).begin());
  }

  /// The factor that a call begins with: the last one, with rows made orthonormal. Only what they span matters, and it
  /// is lost in rounding where they are almost alike. Those that are zero are drawn: at first all, and those that found
  /// nothing in the last call.
  void prepare_factor(const Matrix& matrix, std::span<float> factor) const {
    const auto& [rows, columns, rank] = matrix.shape;
    const std::span<const float> last = right_of(factors_, matrix);
    std::copy(last.begin(), last.end(), factor.begin());
    for (std::size_t k = 0; k < rank; ++k) {
      const std::span<float> row = factor.subspan(k * columns, columns);
      if (!std::all_of(row.begin(), row.end(), [](float x) { return x == 0.0F; })) continue;
      draw_uniform({.seed = settings().seed, .stream = draw_stream(step(), parts()[matrix.part].tensor, k)}, row);
      for (float& x : row) x -= 0.5F;
    }
    orthonormalise({.vectors = rank, .length = columns, .interleaved = false}, factor, scratch_.first(factor.size()));
  }

  /// For each part that travels as it is.
  template <class Copy>
  void copy_plain(Copy copy) const {
    float* sum = sums_.data() + right_;
    auto matrix = matrices_.begin();
    for (std::size_t p = 0; p < parts().size(); ++p) {
      if (matrix != matrices_.end() && matrix->part == p) {
        ++matrix;
        continue;
      }
      const std::span<float> data = Reduction::data_of(parts()[p]);
      if (!data.empty()) copy(sum, data);
      sum += data.size();
    }
  }

  std::span<float> data_of(const Matrix& matrix) const { return Reduction::data_of(parts()[matrix.part]); }
  std::span<float> left_of(const Matrix& matrix) const {
    return lefts_.subspan(matrix.left, matrix.shape.rows * matrix.shape.rank);
  }
  static std::span<float> right_of(std::span<float> all, const Matrix& matrix) {
    return all.subspan(matrix.right, matrix.shape.rank * matrix.shape.columns);
  }
  std::span<float> residual_of(const Matrix& matrix) const {
    return residuals_.empty() ? residuals_ : residuals_.subspan(matrix.residual, parts()[matrix.part].count);
  }

  std::vector<Matrix> matrices_;
  std::size_t values_ = 0;  // of all matrices
  std::size_t plain_ = 0;   // of all other parts
  std::size_t left_ = 0;
  std::size_t right_ = 0;
  std::size_t scratch_count_ = 0;
  std::shared_ptr<void> memory_;  // of all that follows
  std::span<double> scratch_;
  std::span<float> lefts_;
  std::span<float> owns_;     // right factors of this rank
  std::span<float> sums_;     // right factors of all ranks, and parts that travel as they are
  std::span<float> factors_;  // right factors that the next call begins with
  std::span<float> residuals_;
};

std::shared_ptr<Reduction> make_powersgd(ReductionParts&& parts) {
  return std::make_shared<PowerSgd>(std::move(parts));
}

constexpr CodecParameter kRankParameter = {.name = "rank",
                                           .meaning = "of the product that a matrix travels as",
                                           .slot = &CodecSettings::rank,
                                           .low = 1,
                                           .high = static_cast<double>(kMaxRank)};
constexpr CodecParameter kMinRateParameter = {
    .name = "min_rate",
    .meaning = "matrices that would not shrink to one part in so many travel as they are",
    .slot = &CodecSettings::min_rate,
    .low = 1,
    .high = 1e9};
constexpr std::array<const CodecParameter*, 4> kPowerSgdParameters = {&kRankParameter, &kMinRateParameter,
                                                                      &kFeedbackParameter, &kSeedParameter};

/// A codec does not know the shape: that of a square matrix.
double bits_of_square(const CodecSettings& settings, std::size_t count, int /*ranks*/) {
  const double side = std::sqrt(static_cast<double>(count));
  const double shrinks = side / (2.0 * static_cast<double>(settings.rank));
  return shrinks < settings.min_rate ? 32.0 : 32.0 / shrinks;
}

constexpr Codec kPowerSgd = {
    .name = "powersgd",
    .summary = "matrices as products of two thin ones, found by a step of power iteration; all else as it is",
    .error = "|C(X) - X|^2 = |X|^2 - |P^T X|^2, P orthonormal: from that of the best of this rank up to |X|^2",
    .source = "Vogels et al., PowerSGD, arXiv:1905.13727",
    .feedback = Feedback::needed,
    .whole_tensors = true,
    .sums_codes = true,
    .parameters = kPowerSgdParameters,
    .bits = bits_of_square,
    .make = make_powersgd};

}  // namespace

std::span<const Codec* const> low_rank_codecs() noexcept {
  static constexpr std::array<const Codec*, 1> kRows = {&kPowerSgd};
  return kRows;
}

}  // namespace tutti::detail
