// Per element of size s: sum_of_squares reads s bytes; scale and clamp read and write s; update_average reads 2s and
// writes s.
#include <tutti/kernels/gradients.hpp>

#include <algorithm>
#include <array>
#include <cstddef>
#include <span>

#include <tutti/kernels/update/arguments.hpp>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "tutti/kernels/gradients.cpp"
#include <hwy/foreach_target.h>
// Highway's own headers, and ours that are compiled per instruction set, come after foreach_target.h.
#include <hwy/highway.h>

#include <tutti/kernels/update/norm-inl.hpp>
#include <tutti/kernels/update/sweep-inl.hpp>

HWY_BEFORE_NAMESPACE();
namespace tutti::HWY_NAMESPACE {

template <class T>
struct ScaleElement {
  VectorOf<T> factor;
  HWY_INLINE void operator()(VectorOf<T> (&state)[1], const VectorOf<T> (&input)[1]) const {
    state[0] = one_nan(hn::Mul(input[0], factor));
  }
};

template <class T>
struct ClampElement {
  VectorOf<T> low, high;
  HWY_INLINE void operator()(VectorOf<T> (&state)[1], const VectorOf<T> (&input)[1]) const {
    const auto above = hn::IfThenElse(hn::Lt(input[0], low), low, input[0]);
    state[0] = one_nan(hn::IfThenElse(hn::Gt(above, high), high, above));
  }
};

template <class T>
struct AverageElement {
  VectorOf<T> decay, rest;
  HWY_INLINE void operator()(VectorOf<T> (&state)[1], const VectorOf<T> (&input)[1]) const {
    state[0] = one_nan(hn::Add(hn::Mul(decay, state[0]), hn::Mul(rest, input[0])));
  }
};

template <class T>
double sum_as(const ConstBuffer& values) {
  double sum = 0.0;
  for (std::size_t i = 0; i < values.count; i += kNormBlock)
    sum += block_sum_of_squares(elements<T>(values) + i, std::min(kNormBlock, values.count - i));
  return sum;
}

template <class T>
void block_sums_as(const ConstBuffer& values, std::span<double> sums) {
  for (std::size_t b = 0; b < sums.size(); ++b)
    sums[b] =
        block_sum_of_squares(elements<T>(values) + b * kNormBlock, std::min(kNormBlock, values.count - b * kNormBlock));
}

void block_sums_on_target(const ConstBuffer& values, std::span<double> sums) {
  if (values.dtype == DType::f32) return block_sums_as<float>(values, sums);
  block_sums_as<double>(values, sums);
}

template <class T, class Element>
void sweep_one(const Element& element, const Buffer& state, const ConstBuffer& input) {
  sweep(element, std::array<T*, 1>{elements<T>(state)}, std::array<const T*, 1>{elements<T>(input)}, state.count);
}

double sum_on_target(const ConstBuffer& values) {
  return values.dtype == DType::f32 ? sum_as<float>(values) : sum_as<double>(values);
}

void scale_on_target(const Buffer& values, double factor) {
  if (values.dtype == DType::f32) return sweep_one<float>(ScaleElement<float>{all<float>(factor)}, values, values);
  sweep_one<double>(ScaleElement<double>{all<double>(factor)}, values, values);
}

void clamp_on_target(const Buffer& values, double limit) {
  if (values.dtype == DType::f32)
    return sweep_one<float>(ClampElement<float>{all<float>(-limit), all<float>(limit)}, values, values);
  sweep_one<double>(ClampElement<double>{all<double>(-limit), all<double>(limit)}, values, values);
}

void average_on_target(const Buffer& average, const ConstBuffer& values, double decay) {
  if (values.dtype == DType::f32)
    return sweep_one<float>(AverageElement<float>{all<float>(decay), all<float>(1.0 - decay)}, average, values);
  sweep_one<double>(AverageElement<double>{all<double>(decay), all<double>(1.0 - decay)}, average, values);
}

}  // namespace tutti::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace tutti {

HWY_EXPORT(sum_on_target);
HWY_EXPORT(block_sums_on_target);
HWY_EXPORT(scale_on_target);
HWY_EXPORT(clamp_on_target);
HWY_EXPORT(average_on_target);

double sum_of_squares(ConstBuffer values) {
  require_floats("sum_of_squares", values);
  return HWY_DYNAMIC_DISPATCH(sum_on_target)(values);
}

void block_sums_of_squares(ConstBuffer values, std::span<double> sums) {
  require_floats("block_sums_of_squares", values);
  require_blocks("block_sums_of_squares", values, sums);
  HWY_DYNAMIC_DISPATCH(block_sums_on_target)(values, sums);
}

void scale(Buffer values, double factor) {
  require_floats("scale", values);
  HWY_DYNAMIC_DISPATCH(scale_on_target)(values, factor);
}

void clamp(Buffer values, double limit) {
  require_floats("clamp", values);
  HWY_DYNAMIC_DISPATCH(clamp_on_target)(values, limit);
}

void update_average(Buffer average, ConstBuffer values, double decay) {
  require_floats("update_average", values);
  require_like("update_average", "averages", average, values);
  require_in("update_average", "decay", decay, 0.0, 1.0);
  HWY_DYNAMIC_DISPATCH(average_on_target)(average, values, decay);
}

}  // namespace tutti
#endif
