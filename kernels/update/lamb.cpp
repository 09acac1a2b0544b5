// The step of LAMB: one pass for the moments and the norms, one for the parameters, which computes the direction again
// rather than keep it. Per element of size s they read 4s and 3s bytes and write 2s and s.
#include <tutti/kernels/update/lamb.hpp>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <limits>
#include <span>

#include <tutti/kernels/error.hpp>
#include <tutti/kernels/text.hpp>
#include <tutti/kernels/update/arguments.hpp>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "tutti/kernels/update/lamb.cpp"
#include <hwy/foreach_target.h>
// Highway's own headers, and ours that are compiled per instruction set, come after foreach_target.h.
#include <hwy/highway.h>

#include <tutti/kernels/update/norm-inl.hpp>
#include <tutti/kernels/update/sweep-inl.hpp>

HWY_BEFORE_NAMESPACE();
namespace tutti::HWY_NAMESPACE {

template <class T>
struct LambDirection {
  using V = VectorOf<T>;
  V correction1, correction2, epsilon, decay;

  explicit LambDirection(const LambStep& s)
      : correction1(all<T>(1.0 / bias_correction(s.beta1, s.number))),
        correction2(all<T>(1.0 / std::sqrt(bias_correction(s.beta2, s.number)))),
        epsilon(all<T>(s.epsilon)),
        decay(all<T>(s.weight_decay)) {}

  HWY_INLINE V of(V parameter, V mean, V square) const {
    const V root = hn::Add(hn::Mul(hn::Sqrt(square), correction2), epsilon);
    return hn::Add(hn::Div(hn::Mul(mean, correction1), root), hn::Mul(decay, parameter));
  }
};

template <class T>
struct LambMoments {
  using V = VectorOf<T>;
  V beta1, rest1, beta2, rest2;
  LambDirection<T> direction;

  explicit LambMoments(const LambStep& s)
      : beta1(all<T>(s.beta1)),
        rest1(all<T>(1.0 - s.beta1)),
        beta2(all<T>(s.beta2)),
        rest2(all<T>(1.0 - s.beta2)),
        direction(s) {}

  /// state: mean, square and direction; input: gradient and parameter.
  HWY_INLINE void operator()(V (&state)[3], const V (&input)[2]) const {
    const V g = input[0];
    state[0] = one_nan(hn::Add(hn::Mul(beta1, state[0]), hn::Mul(rest1, g)));
    state[1] = one_nan(hn::Add(hn::Mul(beta2, state[1]), hn::Mul(hn::Mul(rest2, g), g)));
    state[2] = direction.of(input[1], state[0], state[1]);
  }
};

template <class T>
struct LambElement {
  using V = VectorOf<T>;
  V rate;
  LambDirection<T> direction;

  /// state: parameter; input: mean and square.
  HWY_INLINE void operator()(V (&state)[1], const V (&input)[2]) const {
    state[0] = one_nan(hn::Sub(state[0], hn::Mul(rate, direction.of(state[0], input[0], input[1]))));
  }
};

template <class T>
void moments_as(const ConstBuffer& parameters, const ConstBuffer& gradients, const Buffer& mean, const Buffer& square,
                const LambStep& step, std::span<double> parameter_squares, std::span<double> direction_squares) {
  const T* const p = elements<T>(parameters);
  const T* const g = elements<T>(gradients);
  T* const m = elements<T>(mean);
  T* const v = elements<T>(square);
  const LambMoments<T> moments(step);
  T direction[kNormBlock] = {};
  for (std::size_t b = 0; b < parameter_squares.size(); ++b) {
    const std::size_t i = b * kNormBlock;
    const std::size_t n = std::min(kNormBlock, parameters.count - i);
    sweep(moments, std::array<T*, 3>{m + i, v + i, direction}, std::array<const T*, 2>{g + i, p + i}, n);
    parameter_squares[b] = block_sum_of_squares(p + i, n);
    direction_squares[b] = block_sum_of_squares(direction, n);
  }
}

void moments_on_target(const ConstBuffer& parameters, const ConstBuffer& gradients, const Buffer& mean,
                       const Buffer& square, const LambStep& step, std::span<double> parameter_squares,
                       std::span<double> direction_squares) {
  const auto use = parameters.dtype == DType::f32 ? &moments_as<float> : &moments_as<double>;
  use(parameters, gradients, mean, square, step, parameter_squares, direction_squares);
}

template <class T>
void update_as(const Buffer& parameters, const ConstBuffer& mean, const ConstBuffer& square, const LambStep& step) {
  const LambElement<T> element{all<T>(step.learning_rate * step.trust_ratio), LambDirection<T>(step)};
  sweep(element, std::array<T*, 1>{elements<T>(parameters)},
        std::array<const T*, 2>{elements<T>(mean), elements<T>(square)}, parameters.count);
}

void update_on_target(const Buffer& parameters, const ConstBuffer& mean, const ConstBuffer& square,
                      const LambStep& step) {
  if (parameters.dtype == DType::f32) return update_as<float>(parameters, mean, square, step);
  update_as<double>(parameters, mean, square, step);
}

}  // namespace tutti::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace tutti {

HWY_EXPORT(moments_on_target);
HWY_EXPORT(update_on_target);

namespace {

void require_lamb(const char* name, const ConstBuffer& parameters, const ConstBuffer& mean, const ConstBuffer& square,
                  const LambStep& step) {
  constexpr double kAny = std::numeric_limits<double>::infinity();
  require_floats(name, parameters);
  require_like(name, "means", mean, parameters);
  require_like(name, "squares", square, parameters);
  require_in(name, "beta1", step.beta1, 0.0, 1.0);
  require_in(name, "beta2", step.beta2, 0.0, 1.0);
  require_in(name, "epsilon", step.epsilon, std::numeric_limits<double>::min(), kAny);
  require_in(name, "weight decay", step.weight_decay, 0.0, kAny);
  if (step.number == 0) throw InvalidArgument(text(name, ": steps are counted from 1"));
}

}  // namespace

void lamb_moments(ConstBuffer parameters, ConstBuffer gradients, Buffer mean, Buffer square, const LambStep& step,
                  std::span<double> parameter_squares, std::span<double> direction_squares) {
  constexpr const char* kName = "lamb_moments";
  require_lamb(kName, parameters, mean, square, step);
  require_like(kName, "gradients", gradients, parameters);
  require_blocks(kName, parameters, parameter_squares);
  require_blocks(kName, parameters, direction_squares);
  HWY_DYNAMIC_DISPATCH(moments_on_target)
  (parameters, gradients, mean, square, step, parameter_squares, direction_squares);
}

void lamb_update(Buffer parameters, ConstBuffer mean, ConstBuffer square, const LambStep& step) {
  constexpr const char* kName = "lamb_update";
  require_lamb(kName, parameters, mean, square, step);
  if (parameters.count == 0) return;
  HWY_DYNAMIC_DISPATCH(update_on_target)(parameters, mean, square, step);
}

}  // namespace tutti
#endif
