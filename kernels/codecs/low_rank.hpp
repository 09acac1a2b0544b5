// Products of a matrix with a few vectors, and the matrix that they stand for.
#pragma once

#include <cstddef>
#include <span>

namespace tutti {

/// A matrix of so many rows and columns, row after row, and its approximation left right: `left` has rows x rank
/// elements, `right` rank x columns, both row after row.
struct LowRank {
  std::size_t rows = 0;
  std::size_t columns = 0;
  std::size_t rank = 0;  ///< at most kMaxRank
};
inline constexpr std::size_t kMaxRank = 64;

// All give the same bits on every instruction set. \throws InvalidArgument: spans that do not fit

/// matrix += residual, which may be empty; left = matrix right^T. Returns the sum of squares of the matrix.
double multiply_from_right(const LowRank& shape, std::span<float> matrix, std::span<const float> residual,
                           std::span<const float> right, std::span<float> left);

/// right = left^T matrix.
void multiply_from_left(const LowRank& shape, std::span<const float> matrix, std::span<const float> left,
                        std::span<float> right);

/// So many vectors, one after another or interleaved as the columns of `left` are.
struct VectorSet {
  std::size_t vectors = 0;
  std::size_t length = 0;
  bool interleaved = false;
};

/// Makes vectors orthonormal, one after the other (Gram-Schmidt, each projected twice, in f64). One that depends on
/// those before, or is zero, becomes zero. `scratch` has as many elements. Finite values only.
void orthonormalise(const VectorSet& set, std::span<float> values, std::span<double> scratch);

/// residual = matrix - left own, which is not kept if `residual` is empty; matrix = left sum. Returns the sum of
/// squares of what would be the residual.
double expand(const LowRank& shape, std::span<const float> left, std::span<const float> own, std::span<const float> sum,
              std::span<float> matrix, std::span<float> residual);

}  // namespace tutti
