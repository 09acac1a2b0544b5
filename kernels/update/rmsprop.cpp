// The step of RMSprop. Per element of size s it reads 3s bytes and writes 2s; s more of each with momentum, and s more
// of each in the centered form.
#include <tutti/kernels/update/rmsprop.hpp>

#include <array>
#include <cstddef>
#include <limits>

#include <tutti/kernels/update/arguments.hpp>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "tutti/kernels/update/rmsprop.cpp"
#include <hwy/foreach_target.h>
// Highway's own headers, and ours that are compiled per instruction set, come after foreach_target.h.
#include <hwy/highway.h>

#include <tutti/kernels/update/sweep-inl.hpp>

HWY_BEFORE_NAMESPACE();
namespace tutti::HWY_NAMESPACE {

template <class T, bool kMean, bool kMomentum>
struct RmspropElement {
  static constexpr std::size_t kArrays = 2 + (kMean ? 1 : 0) + (kMomentum ? 1 : 0);
  using V = VectorOf<T>;
  V rate, alpha, rest, momentum, epsilon, decay;
  bool decays;

  explicit RmspropElement(const RmspropStep& s)
      : rate(all<T>(s.learning_rate)),
        alpha(all<T>(s.alpha)),
        rest(all<T>(1.0 - s.alpha)),
        momentum(all<T>(s.momentum)),
        epsilon(all<T>(s.epsilon)),
        decay(all<T>(s.weight_decay)),
        decays(s.weight_decay != 0.0) {}

  /// state: parameter, square, velocity (if kMomentum) and mean (if kMean).
  HWY_INLINE void operator()(V (&state)[kArrays], const V (&input)[1]) const {
    V g = input[0];
    if (decays) g = hn::Add(g, hn::Mul(decay, state[0]));
    V v = one_nan(hn::Add(hn::Mul(alpha, state[1]), hn::Mul(hn::Mul(rest, g), g)));
    state[1] = v;
    if constexpr (kMean) {
      V& a = state[kArrays - 1];
      a = one_nan(hn::Add(hn::Mul(alpha, a), hn::Mul(rest, g)));
      v = hn::Sub(v, hn::Mul(a, a));
      v = hn::IfThenElse(hn::Lt(v, hn::Zero(Tag<T>())), hn::Zero(Tag<T>()), v);
    }
    V direction = hn::Div(g, hn::Add(hn::Sqrt(v), epsilon));
    if constexpr (kMomentum) {
      direction = one_nan(hn::Add(hn::Mul(momentum, state[2]), direction));
      state[2] = direction;
    }
    state[0] = one_nan(hn::Sub(state[0], hn::Mul(rate, direction)));
  }
};

template <class T>
void rmsprop_as(const Buffer& parameters, const ConstBuffer& gradients, const Buffer& square, const Buffer& mean,
                const Buffer& velocity, const RmspropStep& step) {
  T* const p = elements<T>(parameters);
  T* const v = elements<T>(square);
  T* const a = elements<T>(mean);
  T* const b = elements<T>(velocity);
  const std::array<const T*, 1> read{elements<T>(gradients)};
  const std::size_t count = parameters.count;
  const bool centered = mean.count != 0;
  if (step.momentum == 0.0 && !centered)
    sweep(RmspropElement<T, false, false>(step), std::array<T*, 2>{p, v}, read, count);
  else if (step.momentum == 0.0)
    sweep(RmspropElement<T, true, false>(step), std::array<T*, 3>{p, v, a}, read, count);
  else if (!centered)
    sweep(RmspropElement<T, false, true>(step), std::array<T*, 3>{p, v, b}, read, count);
  else
    sweep(RmspropElement<T, true, true>(step), std::array<T*, 4>{p, v, b, a}, read, count);
}

void rmsprop_on_target(const Buffer& parameters, const ConstBuffer& gradients, const Buffer& square, const Buffer& mean,
                       const Buffer& velocity, const RmspropStep& step) {
  const auto use = parameters.dtype == DType::f32 ? &rmsprop_as<float> : &rmsprop_as<double>;
  use(parameters, gradients, square, mean, velocity, step);
}

}  // namespace tutti::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace tutti {

HWY_EXPORT(rmsprop_on_target);

void rmsprop_update(Buffer parameters, ConstBuffer gradients, Buffer square, Buffer mean, Buffer velocity,
                    const RmspropStep& step) {
  constexpr const char* kName = "rmsprop_update";
  constexpr double kAny = std::numeric_limits<double>::infinity();
  require_floats(kName, parameters);
  require_like(kName, "gradients", gradients, parameters);
  require_like(kName, "squares", square, parameters);
  if (mean.count != 0) require_like(kName, "means", mean, parameters);
  if (step.momentum != 0.0) require_like(kName, "velocities", velocity, parameters);
  require_in(kName, "alpha", step.alpha, 0.0, 1.0);
  require_in(kName, "momentum", step.momentum, 0.0, 1.0);
  require_in(kName, "epsilon", step.epsilon, std::numeric_limits<double>::min(), kAny);
  require_in(kName, "weight decay", step.weight_decay, 0.0, kAny);
  if (parameters.count == 0) return;
  HWY_DYNAMIC_DISPATCH(rmsprop_on_target)(parameters, gradients, square, mean, velocity, step);
}

}  // namespace tutti
#endif
