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

/// dots[i * rank + k] = row i . right[k] for kRows rows of the matrix and kDots rows of `right`.
template <std::size_t kRows, std::size_t kDots>
HWY_INLINE void dot_rows(const LowRank& shape, const float* rows, const float* right, float* dots) {
  const Lanes32 d;
  Vector32 sums[kRows][kDots][kDotVectors];
  for (auto& of_row : sums)
    for (auto& sum : of_row)
      for (auto& vector : sum) vector = hn::Zero(d);
  const auto add = [&](const float* x, const float* y, std::size_t stride) HWY_ATTR {
    for (std::size_t v = 0; v < kDotVectors; ++v) {
      Vector32 values[kRows];
      for (std::size_t i = 0; i < kRows; ++i) values[i] = hn::LoadU(d, x + i * stride + v * kLanes32);
      for (std::size_t k = 0; k < kDots; ++k) {
        const auto factor = hn::LoadU(d, y + k * stride + v * kLanes32);
        for (std::size_t i = 0; i < kRows; ++i) sums[i][k][v] = hn::Add(sums[i][k][v], hn::Mul(values[i], factor));
      }
    }
  };
  const std::size_t count = shape.columns;
  std::size_t j = 0;
  for (; j + kDotColumns <= count; j += kDotColumns) add(rows + j, right + j, count);
  if (j < count) {
    float x[kRows * kDotColumns] = {};
    float y[kDots * kDotColumns] = {};
    const std::size_t bytes = (count - j) * sizeof(float);
    for (std::size_t i = 0; i < kRows; ++i) std::memcpy(x + i * kDotColumns, rows + i * count + j, bytes);
    for (std::size_t k = 0; k < kDots; ++k) std::memcpy(y + k * kDotColumns, right + k * count + j, bytes);
    add(x, y, kDotColumns);
  }
  for (std::size_t i = 0; i < kRows; ++i)
    for (std::size_t k = 0; k < kDots; ++k) dots[i * shape.rank + k] = sum_of_dot(sums[i][k]);
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

/// The rows stay in the cache, and so does `right`, if it fits.
template <std::size_t kRows>
HWY_INLINE double multiply_rows(const LowRank& shape, float* rows, const float* residual, const float* right,
                                float* left) {
  double squares = 0.0;
  for (std::size_t i = 0; i < kRows; ++i) {
    float* row = rows + i * shape.columns;
    if (residual != nullptr) add_row(row, residual + i * shape.columns, shape.columns);
    squares += squares_of_row(row, shape.columns);
  }
  std::size_t k = 0;
  for (; k + kDotsAtOnce <= shape.rank; k += kDotsAtOnce)
    dot_rows<kRows, kDotsAtOnce>(shape, rows, right + k * shape.columns, left + k);
  for (; k < shape.rank; ++k) dot_rows<kRows, 1>(shape, rows, right + k * shape.columns, left + k);
  return squares;
}

double right_on_target(const LowRank& shape, float* matrix, const float* residual, const float* right, float* left) {
  constexpr std::size_t kRowsAtOnce = kDotVectors == 1 ? 4 : 1;  // as many sums as there are registers
  double squares = 0.0;
  std::size_t i = 0;
  const auto multiply = [&]<std::size_t kRows>() HWY_ATTR {
    const std::size_t at = i * shape.columns;
    squares += multiply_rows<kRows>(shape, matrix + at, residual == nullptr ? nullptr : residual + at, right,
                                    left + i * shape.rank);
    i += kRows;
  };
  while (i + kRowsAtOnce <= shape.rows) multiply.template operator()<kRowsAtOnce>();
  while (i < shape.rows) multiply.template operator()<1>();
  return squares;
}

// Factors are worked on in pieces of columns that fit the first-level cache, one piece after another in a buffer: rows
// of a factor are often some pages apart, and would all fall into the same few lines.
inline constexpr std::size_t kPieceFloats = 8192;

/// Columns of a piece of so many rows.
inline std::size_t columns_of_piece(std::size_t rows) {
  return std::min(kPieceFloats / rows / kDotColumns * kDotColumns, kNormBlock);
}
static_assert(kPieceFloats / (2 * kMaxRank) >= kDotColumns);

inline void copy_piece(const float* from, std::size_t from_stride, std::size_t rows, std::size_t columns, float* to,
                       std::size_t to_stride) {
  for (std::size_t k = 0; k < rows; ++k)
    std::memcpy(to + k * to_stride, from + k * from_stride, columns * sizeof(float));
}

/// right[k] += left[i][k] matrix[i] for kRows rows and `count` columns, row by row; those of `right` lie together.
template <std::size_t kRows>
HWY_INLINE void add_rows(const LowRank& shape, const float* matrix, const float* left, float* right,
                         std::size_t count) {
  const Lanes32 d;
  std::size_t j = 0;
  for (; j + kLanes32 <= count; j += kLanes32) {
    Vector32 rows[kRows];
    for (std::size_t i = 0; i < kRows; ++i) rows[i] = hn::LoadU(d, matrix + i * shape.columns + j);
    for (std::size_t k = 0; k < shape.rank; ++k) {
      float* to = right + k * count + j;
      auto sum = hn::LoadU(d, to);
      for (std::size_t i = 0; i < kRows; ++i)
        sum = hn::Add(sum, hn::Mul(hn::Set(d, left[i * shape.rank + k]), rows[i]));
      hn::StoreU(sum, d, to);
    }
  }
  for (; j < count; ++j)
    for (std::size_t k = 0; k < shape.rank; ++k)
      for (std::size_t i = 0; i < kRows; ++i)
        right[k * count + j] += left[i * shape.rank + k] * matrix[i * shape.columns + j];
}

void left_on_target(const LowRank& shape, const float* matrix, const float* left, float* right) {
  constexpr std::size_t kRowsAtOnce = 8;
  float buffer[kPieceFloats];
  const std::size_t piece = columns_of_piece(shape.rank);
  for (std::size_t j = 0; j < shape.columns; j += piece) {
    const std::size_t count = std::min(piece, shape.columns - j);
    std::fill_n(buffer, shape.rank * count, 0.0F);
    std::size_t i = 0;
    for (; i + kRowsAtOnce <= shape.rows; i += kRowsAtOnce)
      add_rows<kRowsAtOnce>(shape, matrix + i * shape.columns + j, left + i * shape.rank, buffer, count);
    for (; i < shape.rows; ++i)
      add_rows<1>(shape, matrix + i * shape.columns + j, left + i * shape.rank, buffer, count);
    copy_piece(buffer, count, shape.rank, count, right + j, shape.columns);
  }
}

/// A piece of some rows, and of factors: of this rank and of all. Rows of `error` are `error_stride` apart.
struct RowPiece {
  const float* left;
  const float* own;
  const float* sum;
  float* matrix;
  float* error;
  std::size_t error_stride;
  std::size_t count;
};

template <std::size_t kRows>
HWY_INLINE void expand_piece(const LowRank& shape, const RowPiece& at) {
  const Lanes32 d;
  std::size_t j = 0;
  for (; j + kLanes32 <= at.count; j += kLanes32) {
    Vector32 own[kRows];
    Vector32 sum[kRows];
    auto own_factor = hn::LoadU(d, at.own + j);
    auto sum_factor = hn::LoadU(d, at.sum + j);
    for (std::size_t i = 0; i < kRows; ++i) {
      const auto factor = hn::Set(d, at.left[i * shape.rank]);
      own[i] = hn::Mul(factor, own_factor);
      sum[i] = hn::Mul(factor, sum_factor);
    }
    for (std::size_t k = 1; k < shape.rank; ++k) {
      own_factor = hn::LoadU(d, at.own + k * at.count + j);
      sum_factor = hn::LoadU(d, at.sum + k * at.count + j);
      for (std::size_t i = 0; i < kRows; ++i) {
        const auto factor = hn::Set(d, at.left[i * shape.rank + k]);
        own[i] = hn::Add(own[i], hn::Mul(factor, own_factor));
        sum[i] = hn::Add(sum[i], hn::Mul(factor, sum_factor));
      }
    }
    for (std::size_t i = 0; i < kRows; ++i) {
      float* to = at.matrix + i * shape.columns + j;
      hn::StoreU(hn::Sub(hn::LoadU(d, to), own[i]), d, at.error + i * at.error_stride + j);
      hn::StoreU(sum[i], d, to);
    }
  }
  for (; j < at.count; ++j) {
    for (std::size_t i = 0; i < kRows; ++i) {
      const float* left = at.left + i * shape.rank;
      float own = left[0] * at.own[j];
      float sum = left[0] * at.sum[j];
      for (std::size_t k = 1; k < shape.rank; ++k) {
        own += left[k] * at.own[k * at.count + j];
        sum += left[k] * at.sum[k * at.count + j];
      }
      float& value = at.matrix[i * shape.columns + j];
      at.error[i * at.error_stride + j] = value - own;
      value = sum;
    }
  }
}

double expand_on_target(const LowRank& shape, const float* left, const float* own, const float* sum, float* matrix,
                        float* residual) {
  constexpr std::size_t kRowsAtOnce = 4;
  float buffer[kPieceFloats];
  float not_kept[kRowsAtOnce * kNormBlock];
  double squares = 0.0;
  const std::size_t piece = columns_of_piece(2 * shape.rank);
  for (std::size_t j = 0; j < shape.columns; j += piece) {
    const std::size_t count = std::min(piece, shape.columns - j);
    float* sum_piece = buffer + shape.rank * count;
    copy_piece(own + j, shape.columns, shape.rank, count, buffer, count);
    copy_piece(sum + j, shape.columns, shape.rank, count, sum_piece, count);
    std::size_t i = 0;
    const auto expand = [&]<std::size_t kRows>() HWY_ATTR {
      const std::size_t place = i * shape.columns + j;
      const RowPiece at = {.left = left + i * shape.rank,
                           .own = buffer,
                           .sum = sum_piece,
                           .matrix = matrix + place,
                           .error = residual == nullptr ? not_kept : residual + place,
                           .error_stride = residual == nullptr ? kNormBlock : shape.columns,
                           .count = count};
      expand_piece<kRows>(shape, at);
      for (std::size_t n = 0; n < kRows; ++n) squares += block_sum_of_squares(at.error + n * at.error_stride, count);
      i += kRows;
    };
    while (i + kRowsAtOnce <= shape.rows) expand.template operator()<kRowsAtOnce>();
    while (i < shape.rows) expand.template operator()<1>();
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

double norm_of(const VectorSet& set, const double* columns, std::size_t k) {
  double sum = 0.0;
  for (std::size_t i = 0; i < set.length; ++i) sum += columns[i * set.vectors + k] * columns[i * set.vectors + k];
  return std::sqrt(sum);
}

/// Takes from column k what lies in the columns before.
void project_column(const VectorSet& set, double* columns, std::size_t k) {
  double dots[kMaxRank] = {};
  for (std::size_t i = 0; i < set.length; ++i) {
    const double* row = columns + i * set.vectors;
    for (std::size_t j = 0; j < k; ++j) dots[j] += row[j] * row[k];
  }
  for (std::size_t i = 0; i < set.length; ++i) {
    double* row = columns + i * set.vectors;
    double inside = 0.0;
    for (std::size_t j = 0; j < k; ++j) inside += dots[j] * row[j];
    row[k] -= inside;
  }
}

/// Calls use(value, place among interleaved ones).
template <class Use>
void for_each_value(const VectorSet& set, std::span<float> values, Use use) {
  for (std::size_t n = 0; n < values.size(); ++n)
    use(values[n], set.interleaved ? n : n % set.length * set.vectors + n / set.length);
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
void orthonormalise(const VectorSet& set, std::span<float> values, std::span<double> scratch) {
  constexpr double kDependent = 0x1p-40;  // of its length, of which f32 knows 2^-24
  if (set.vectors > kMaxRank || values.size() != set.vectors * set.length || scratch.size() != values.size())
    throw InvalidArgument(text("orthonormalise: ", values.size(), " values and scratch of ", scratch.size(), " for ",
                               set.vectors, " vectors of ", set.length));
  double* columns = scratch.data();
  for_each_value(set, values, [&](float value, std::size_t at) { columns[at] = static_cast<double>(value); });
  for (std::size_t k = 0; k < set.vectors; ++k) {
    const double before = norm_of(set, columns, k);
    project_column(set, columns, k);
    project_column(set, columns, k);
    const double norm = norm_of(set, columns, k);
    const bool depends = !(norm > kDependent * before);
    for (std::size_t i = 0; i < set.length; ++i) {
      double& value = columns[i * set.vectors + k];
      value = depends ? 0.0 : value / norm;
    }
  }
  for_each_value(set, values, [&](float& value, std::size_t at) { value = static_cast<float>(columns[at]); });
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
