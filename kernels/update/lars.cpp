// The step of LARS. Per element of size s it reads 3s bytes and writes 2s.
#include <tutti/kernels/update/lars.hpp>

#include <array>
#include <cstddef>
#include <limits>

#include <tutti/kernels/update/arguments.hpp>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "tutti/kernels/update/lars.cpp"
#include <hwy/foreach_target.h>
// Highway's own headers, and ours that are compiled per instruction set, come after foreach_target.h.
#include <hwy/highway.h>

#include <tutti/kernels/update/sweep-inl.hpp>

HWY_BEFORE_NAMESPACE();
namespace tutti::HWY_NAMESPACE {

template <class T>
struct LarsElement {
  using V = VectorOf<T>;
  V momentum, rate, decay;

  /// state: parameter and velocity.
  HWY_INLINE void operator()(V (&state)[2], const V (&input)[1]) const {
    const V direction = hn::Add(input[0], hn::Mul(decay, state[0]));
    state[1] = one_nan(hn::Add(hn::Mul(momentum, state[1]), hn::Mul(rate, direction)));
    state[0] = one_nan(hn::Sub(state[0], state[1]));
  }
};

template <class T>
void lars_as(const Buffer& parameters, const ConstBuffer& gradients, const Buffer& velocity, const LarsStep& step) {
  const LarsElement<T> element{all<T>(step.momentum), all<T>(step.learning_rate * step.trust_ratio),
                               all<T>(step.weight_decay)};
  sweep(element, std::array<T*, 2>{elements<T>(parameters), elements<T>(velocity)},
        std::array<const T*, 1>{elements<T>(gradients)}, parameters.count);
}

void lars_on_target(const Buffer& parameters, const ConstBuffer& gradients, const Buffer& velocity,
                    const LarsStep& step) {
  const auto use = parameters.dtype == DType::f32 ? &lars_as<float> : &lars_as<double>;
  use(parameters, gradients, velocity, step);
}

}  // namespace tutti::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace tutti {

HWY_EXPORT(lars_on_target);

double lars_trust_ratio(double parameter_norm, double gradient_norm, double trust_coefficient,
                        double weight_decay) noexcept {
  if (!(parameter_norm > 0.0) || !(gradient_norm > 0.0)) return 1.0;
  return trust_coefficient * parameter_norm / (gradient_norm + weight_decay * parameter_norm);
}

void lars_update(Buffer parameters, ConstBuffer gradients, Buffer velocity, const LarsStep& step) {
  constexpr const char* kName = "lars_update";
  constexpr double kAny = std::numeric_limits<double>::infinity();
  require_floats(kName, parameters);
  require_like(kName, "gradients", gradients, parameters);
  require_like(kName, "velocities", velocity, parameters);
  require_in(kName, "momentum", step.momentum, 0.0, 1.0);
  require_in(kName, "weight decay", step.weight_decay, 0.0, kAny);
  if (parameters.count == 0) return;
  HWY_DYNAMIC_DISPATCH(lars_on_target)(parameters, gradients, velocity, step);
}

}  // namespace tutti
#endif
