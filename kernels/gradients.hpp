// What is done with gradients and parameters beside the update itself: norms, clipping, averages.
#pragma once

#include <cstddef>
#include <span>

#include <tutti/kernels/buffer.hpp>

namespace tutti {

// All of these work on f32 or f64 in host memory and give the same bits on every instruction set.
// \throws InvalidArgument for other buffers.

/// Elements of a block of a sum of squares.
inline constexpr std::size_t kNormBlock = 1024;

/// Sum of the squares of `values`, in f64, in an order that depends on their number alone: 16 columns in blocks of
/// kNormBlock elements (update/norm-inl.hpp), which are added in order. Squares of f32 are exact and neither overflow
/// nor vanish. Not finite if a value is not.
double sum_of_squares(ConstBuffer values);

/// The sum of each block: `sums` has an element for each. Added in order they are sum_of_squares(), also where parts of
/// whole blocks are summed by themselves.
void block_sums_of_squares(ConstBuffer values, std::span<double> sums);

/// values *= factor, rounded to the type of the values.
void scale(Buffer values, double factor);

/// Every value to the nearest in [-limit, limit]; NaN stays NaN.
void clamp(Buffer values, double limit);

/// average = decay average + (1 - decay) values: the exponential moving average. Both have the same count and dtype.
void update_average(Buffer average, ConstBuffer values, double decay);

}  // namespace tutti
