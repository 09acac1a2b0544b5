// Values that look like gradients, for measurements and predictions: the same in every run, on every rank.
#pragma once

#include <cstddef>
#include <vector>

namespace tutti {

/// Draws of a normal distribution with mean 0 and variance 1, which begin anew after 65,537.
std::vector<float> normal_values(std::size_t count);

/// Rows of so many values as a matrix that is nearly square: their largest divisor up to the square root; 0 if there is
/// none but 1, so that they are a vector.
std::size_t square_rows(std::size_t count) noexcept;

}  // namespace tutti
