// Per element of the matrix: multiply_from_right reads it, or reads it and its residual and writes it;
// multiply_from_left reads it; expand reads it and writes it and its residual. Each does 2 operations for every rank,
// expand 4: with few ranks less than memory takes.
#include <tutti/kernels/codecs/low_rank.hpp>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <string_view>

#include <tutti/kernels/error.hpp>
#include <tutti/kernels/text.hpp>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "tutti/kernels/codecs/low_rank.cpp"
#include <hwy/foreach_target.h>
// Highway's own headers, and ours that are compiled per instruction set, come after foreach_target.h.
#include <hwy/highway.h>

#include <tutti/kernels/update/norm-inl.hpp>

HWY_BEFORE_NAMESPACE();
namespace tutti::HWY_NAMESPACE {

namespace {

using Lanes32 = Tag<float>;
using Vector32 = hn::Vec<Lanes32>;
inline constexpr std::size_t kLanes32 = hn::MaxLanes(Lanes32());
// Element j of a row is added to column j mod 16, and columns in a tree, whatever the width of vectors.
inline constexpr std::size_t kDotColumns = 16;
inline constexpr std::size_t kDotVectors = kDotColumns / kLanes32;
inline constexpr std::size_t kDotsAtOnce = 4;

inline float sum_of_dot(const Vector32 (&sums)[kDotVectors]) {
  float columns[kDotColumns];
  for (std::size_t v = 0; v < kDotVectors; ++v) hn::StoreU(sums[v], Lanes32(), columns + v * kLanes32);
  for (std::size_t width = kDotColumns / 2; width > 0; width /= 2)
    for (std::size_t j = 0; j < width; ++j) columns[j] += columns[j + width];
  return columns[0];
}

/// dots[k] = row . right[k] for kDots rows of `right`, which are `stride` apart.
template <std::size_t kDots>
HWY_INLINE void dot_rows(const float* row, const float* right, std::size_t stride, std::size_t count, float* dots) {
  const Lanes32 d;
  Vector32 sums[kDots][kDotVectors];
  for (auto& sum : sums)
    for (auto& vector : sum) vector = hn::Zero(d);
  const auto add = [&](const float* x, const float* y, std::size_t y_stride) HWY_ATTR {
    for (std::size_t v = 0; v < kDotVectors; ++v) {
      const auto value = hn::LoadU(d, x + v * kLanes32);
      for (std::size_t k = 0; k < kDots; ++k)
        sums[k][v] = hn::Add(sums[k][v], hn::Mul(value, hn::LoadU(d, y + k * y_stride + v * kLanes32)));
    }
  };
  std::size_t j = 0;
  for (; j + kDotColumns <= count; j += kDotColumns) add(row + j, right + j, stride);
  if (j < count) {
    float x[kDotColumns] = {};
    float y[kDots * kDotColumns] = {};
    std::memcpy(x, row + j, (count - j) * sizeof(float));
    for (std::size_t k = 0; k < kDots; ++k)
      std::memcpy(y + k * kDotColumns, right + k * stride + j, (count - j) * sizeof(float));
    add(x, y, kDotColumns);
  }
  for (std::size_t k = 0; k < kDots; ++k) dots[k] = sum_of_dot(sums[k]);
}

inline void add_row(float* row, const float* residual, std::size_t count) {
  const Lanes32 d;
  std::size_t j = 0;
  for (; j + kLanes32 <= count; j += kLanes32)
    hn::StoreU(hn::Add(hn::LoadU(d, row + j), hn::LoadU(d, residual + j)), d, row + j);
  for (; j < count; ++j) row[j] += residual[j];
}

inline double squares_of_row(const float* row, std::size_t count) {
  double sum = 0.0;
  for (std::size_t j = 0; j < count; j += kNormBlock)
    sum += block_sum_of_squares(row + j, std::min(kNormBlock, count - j));
  return sum;
}

double right_on_target(const LowRank& shape, float* matrix, const float* residual, const float* right, float* left) {
  double squares = 0.0;
  for (std::size_t i = 0; i < shape.rows; ++i) {
    float* row = matrix + i * shape.columns;
    float* dots = left + i * shape.rank;
    if (residual != nullptr) add_row(row, residual + i * shape.columns, shape.columns);
    std::size_t k = 0;
    for (; k + kDotsAtOnce <= shape.rank; k += kDotsAtOnce)
      dot_rows<kDotsAtOnce>(row, right + k * shape.columns, shape.columns, shape.columns, dots + k);
    for (; k < shape.rank; ++k) dot_rows<1>(row, right + k * shape.columns, shape.columns, shape.columns, dots + k);
    squares += squares_of_row(row, shape.columns);
  }
  return squares;
}

/// right[k] += left[i][k] matrix[i] for kRows rows, in order.
template <std::size_t kRows>
HWY_INLINE void add_rows(const LowRank& shape, const float* matrix, const float* left, float* right) {
  const Lanes32 d;
  std::size_t j = 0;
  for (; j + kLanes32 <= shape.columns; j += kLanes32) {
    Vector32 rows[kRows];
    for (std::size_t i = 0; i < kRows; ++i) rows[i] = hn::LoadU(d, matrix + i * shape.columns + j);
    for (std::size_t k = 0; k < shape.rank; ++k) {
      float* to = right + k * shape.columns + j;
      auto sum = hn::LoadU(d, to);
      for (std::size_t i = 0; i < kRows; ++i)
        sum = hn::Add(sum, hn::Mul(hn::Set(d, left[i * shape.rank + k]), rows[i]));
      hn::StoreU(sum, d, to);
    }
  }
  for (; j < shape.columns; ++j)
    for (std::size_t k = 0; k < shape.rank; ++k)
      for (std::size_t i = 0; i < kRows; ++i)
        right[k * shape.columns + j] += left[i * shape.rank + k] * matrix[i * shape.columns + j];
}

void left_on_target(const LowRank& shape, const float* matrix, const float* left, float* right) {
  constexpr std::size_t kRowsAtOnce = 8;
  std::fill_n(right, shape.rank * shape.columns, 0.0F);
  std::size_t i = 0;
  for (; i + kRowsAtOnce <= shape.rows; i += kRowsAtOnce)
    add_rows<kRowsAtOnce>(shape, matrix + i * shape.columns, left + i * shape.rank, right);
  for (; i < shape.rows; ++i) add_rows<1>(shape, matrix + i * shape.columns, left + i * shape.rank, right);
}

/// A piece of a row: what it stands for of this rank and of all.
struct RowPiece {
  const float* left;
  const float* own;
  const float* sum;
  float* matrix;
  float* error;
  std::size_t count;
};

HWY_INLINE void expand_piece(const LowRank& shape, const RowPiece& at) {
  const Lanes32 d;
  std::size_t j = 0;
  for (; j + kLanes32 <= at.count; j += kLanes32) {
    auto factor = hn::Set(d, at.left[0]);
    auto own = hn::Mul(factor, hn::LoadU(d, at.own + j));
    auto sum = hn::Mul(factor, hn::LoadU(d, at.sum + j));
    for (std::size_t k = 1; k < shape.rank; ++k) {
      factor = hn::Set(d, at.left[k]);
      own = hn::Add(own, hn::Mul(factor, hn::LoadU(d, at.own + k * shape.columns + j)));
      sum = hn::Add(sum, hn::Mul(factor, hn::LoadU(d, at.sum + k * shape.columns + j)));
    }
    hn::StoreU(hn::Sub(hn::LoadU(d, at.matrix + j), own), d, at.error + j);
    hn::StoreU(sum, d, at.matrix + j);
  }
  for (; j < at.count; ++j) {
    float own = at.left[0] * at.own[j];
    float sum = at.left[0] * at.sum[j];
    for (std::size_t k = 1; k < shape.rank; ++k) {
      own += at.left[k] * at.own[k * shape.columns + j];
      sum += at.left[k] * at.sum[k * shape.columns + j];
    }
    at.error[j] = at.matrix[j] - own;
    at.matrix[j] = sum;
  }
}

/// Pieces of the columns come one after the other, so that theirs of the factors stay in the cache.
double expand_on_target(const LowRank& shape, const float* left, const float* own, const float* sum, float* matrix,
                        float* residual) {
  float not_kept[kNormBlock];
  double squares = 0.0;
  for (std::size_t j = 0; j < shape.columns; j += kNormBlock) {
    const std::size_t count = std::min(kNormBlock, shape.columns - j);
    for (std::size_t i = 0; i < shape.rows; ++i) {
      const std::size_t at = i * shape.columns + j;
      float* error = residual == nullptr ? not_kept : residual + at;
      expand_piece(shape, {left + i * shape.rank, own + j, sum + j, matrix + at, error, count});
      squares += block_sum_of_squares(error, count);
    }
  }
  return squares;
}

}  // namespace
}  // namespace tutti::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace tutti {

HWY_EXPORT(right_on_target);
HWY_EXPORT(left_on_target);
HWY_EXPORT(expand_on_target);

namespace {

void require_shape(std::string_view kernel, const LowRank& shape, std::size_t matrix, std::size_t left,
                   std::size_t right) {
  if (shape.rank == 0 || shape.rank > kMaxRank)
    throw InvalidArgument(text(kernel, ": rank ", shape.rank, " is out of range 1 to ", kMaxRank));
  if (matrix != shape.rows * shape.columns || left != shape.rows * shape.rank || right != shape.rank * shape.columns)
    throw InvalidArgument(text(kernel, ": spans of ", matrix, ", ", left, " and ", right, " elements for ", shape.rows,
                               " x ", shape.columns, ", rank ", shape.rank));
}

double norm_of_column(const LowRank& shape, const double* columns, std::size_t k) {
  double sum = 0.0;
  for (std::size_t i = 0; i < shape.rows; ++i) sum += columns[i * shape.rank + k] * columns[i * shape.rank + k];
  return std::sqrt(sum);
}

/// Takes from column k what lies in the columns before.
void project_column(const LowRank& shape, double* columns, std::size_t k) {
  double dots[kMaxRank] = {};
  for (std::size_t i = 0; i < shape.rows; ++i) {
    const double* row = columns + i * shape.rank;
    for (std::size_t j = 0; j < k; ++j) dots[j] += row[j] * row[k];
  }
  for (std::size_t i = 0; i < shape.rows; ++i) {
    double* row = columns + i * shape.rank;
    double inside = 0.0;
    for (std::size_t j = 0; j < k; ++j) inside += dots[j] * row[j];
    row[k] -= inside;
  }
}

}  // namespace

double multiply_from_right(const LowRank& shape, std::span<float> matrix, std::span<const float> residual,
                           std::span<const float> right, std::span<float> left) {
  require_shape("multiply_from_right", shape, matrix.size(), left.size(), right.size());
  return HWY_DYNAMIC_DISPATCH(right_on_target)(shape, matrix.data(), residual.empty() ? nullptr : residual.data(),
                                               right.data(), left.data());
}

void multiply_from_left(const LowRank& shape, std::span<const float> matrix, std::span<const float> left,
                        std::span<float> right) {
  require_shape("multiply_from_left", shape, matrix.size(), left.size(), right.size());
  HWY_DYNAMIC_DISPATCH(left_on_target)(shape, matrix.data(), left.data(), right.data());
}

// Not compiled per instruction set: the compiler keeps the order of sums.
void orthonormalise(const LowRank& shape, std::span<float> left, std::span<double> scratch) {
  constexpr double kDependent = 0x1p-40;  // of its length, of which f32 knows 2^-24
  double* columns = scratch.data();
  for (std::size_t i = 0; i < left.size(); ++i) columns[i] = static_cast<double>(left[i]);
  for (std::size_t k = 0; k < shape.rank; ++k) {
    const double before = norm_of_column(shape, columns, k);
    project_column(shape, columns, k);
    project_column(shape, columns, k);
    const double norm = norm_of_column(shape, columns, k);
    const bool depends = !(norm > kDependent * before);
    for (std::size_t i = 0; i < shape.rows; ++i) {
      double& value = columns[i * shape.rank + k];
      value = depends ? 0.0 : value / norm;
    }
  }
  for (std::size_t i = 0; i < left.size(); ++i) left[i] = static_cast<float>(columns[i]);
}

double expand(const LowRank& shape, std::span<const float> left, std::span<const float> own, std::span<const float> sum,
              std::span<float> matrix, std::span<float> residual) {
  require_shape("expand", shape, matrix.size(), left.size(), own.size());
  require_shape("expand", shape, matrix.size(), left.size(), sum.size());
  return HWY_DYNAMIC_DISPATCH(expand_on_target)(shape, left.data(), own.data(), sum.data(), matrix.data(),
                                                residual.empty() ? nullptr : residual.data());
}

}  // namespace tutti
#endif
