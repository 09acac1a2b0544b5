// The step of LAMB: one pass for the moments and the norms, one for the parameters, which computes the direction again
// rather than keep it. Per element of size s they read 4s and 3s bytes and write 2s and s.
#include <tutti/kernels/update/lamb.hpp>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <limits>

#include <tutti/kernels/error.hpp>
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
void lamb_as(const Buffer& parameters, const ConstBuffer& gradients, const Buffer& mean, const Buffer& square,
             const LambStep& step) {
  T* const p = elements<T>(parameters);
  T* const m = elements<T>(mean);
  T* const v = elements<T>(square);
  const T* const g = elements<T>(gradients);
  const LambMoments<T> moments(step);
  T direction[kNormBlock] = {};
  double weights = 0.0;
  double directions = 0.0;
  for (std::size_t i = 0; i < parameters.count; i += kNormBlock) {
    const std::size_t n = std::min(kNormBlock, parameters.count - i);
    sweep(moments, std::array<T*, 3>{m + i, v + i, direction}, std::array<const T*, 2>{g + i, p + i}, n);
    weights += block_sum_of_squares(p + i, n);
    directions += block_sum_of_squares(direction, n);
  }
  const bool adapts = step.adapts && weights > 0.0 && directions > 0.0;
  const double ratio = adapts ? std::sqrt(weights) / std::sqrt(directions) : 1.0;
  const LambElement<T> element{all<T>(step.learning_rate * ratio), LambDirection<T>(step)};
  sweep(element, std::array<T*, 1>{p}, std::array<const T*, 2>{m, v}, parameters.count);
}

void lamb_on_target(const Buffer& parameters, const ConstBuffer& gradients, const Buffer& mean, const Buffer& square,
                    const LambStep& step) {
  const auto use = parameters.dtype == DType::f32 ? &lamb_as<float> : &lamb_as<double>;
  use(parameters, gradients, mean, square, step);
}

}  // namespace tutti::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace tutti {

HWY_EXPORT(lamb_on_target);

void lamb_update(Buffer parameters, ConstBuffer gradients, Buffer mean, Buffer square, const LambStep& step) {
  constexpr const char* kName = "lamb_update";
  constexpr double kAny = std::numeric_limits<double>::infinity();
  require_floats(kName, parameters);
  require_like(kName, "gradients", gradients, parameters);
  require_like(kName, "means", mean, parameters);
  require_like(kName, "squares", square, parameters);
  require_in(kName, "beta1", step.beta1, 0.0, 1.0);
  require_in(kName, "beta2", step.beta2, 0.0, 1.0);
  require_in(kName, "epsilon", step.epsilon, std::numeric_limits<double>::min(), kAny);
  require_in(kName, "weight decay", step.weight_decay, 0.0, kAny);
  if (step.number == 0) throw InvalidArgument("lamb_update: steps are counted from 1");
  if (parameters.count == 0) return;
  HWY_DYNAMIC_DISPATCH(lamb_on_target)(parameters, gradients, mean, square, step);
}

}  // namespace tutti
#endif
