// The step of Adam. Per element of size s it reads 4s bytes and writes 3s; AMSGrad reads 5s and writes 4s.
#include <tutti/kernels/update/adam.hpp>

#include <array>
#include <cmath>
#include <cstddef>
#include <limits>

#include <tutti/kernels/error.hpp>
#include <tutti/kernels/update/arguments.hpp>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "tutti/kernels/update/adam.cpp"
#include <hwy/foreach_target.h>
// Highway's own headers, and ours that are compiled per instruction set, come after foreach_target.h.
#include <hwy/highway.h>

#include <tutti/kernels/update/sweep-inl.hpp>

HWY_BEFORE_NAMESPACE();
namespace tutti::HWY_NAMESPACE {

enum class Decay : std::uint8_t { none, coupled, decoupled };

template <class T, Decay kDecay, bool kLargest>
struct AdamElement {
  using V = VectorOf<T>;
  V beta1, rest1, beta2, rest2;
  V rate;        // learning rate / (1 - beta1^number)
  V correction;  // 1 / sqrt(1 - beta2^number)
  V epsilon;
  V decay;  // of the gradient, or what remains of the parameter

  explicit AdamElement(const AdamStep& s)
      : beta1(all<T>(s.beta1)),
        rest1(all<T>(1.0 - s.beta1)),
        beta2(all<T>(s.beta2)),
        rest2(all<T>(1.0 - s.beta2)),
        rate(all<T>(s.learning_rate / bias_correction(s.beta1, s.number))),
        correction(all<T>(1.0 / std::sqrt(bias_correction(s.beta2, s.number)))),
        epsilon(all<T>(s.epsilon)),
        decay(all<T>(kDecay == Decay::decoupled ? 1.0 - s.learning_rate * s.weight_decay : s.weight_decay)) {}

  /// state: parameter, mean, square and largest.
  HWY_INLINE void operator()(V (&state)[kLargest ? 4 : 3], const V (&input)[1]) const {
    V g = input[0];
    V p = state[0];
    if constexpr (kDecay == Decay::coupled) g = hn::Add(g, hn::Mul(decay, p));
    if constexpr (kDecay == Decay::decoupled) p = hn::Mul(p, decay);
    const V m = one_nan(hn::Add(hn::Mul(beta1, state[1]), hn::Mul(rest1, g)));
    const V v = one_nan(hn::Add(hn::Mul(beta2, state[2]), hn::Mul(hn::Mul(rest2, g), g)));
    V used = v;
    if constexpr (kLargest) {
      used = hn::IfThenElse(hn::Gt(state[3], v), state[3], v);
      state[3] = used;
    }
    const V root = hn::Add(hn::Mul(hn::Sqrt(used), correction), epsilon);
    state[0] = one_nan(hn::Sub(p, hn::Mul(rate, hn::Div(m, root))));
    state[1] = m;
    state[2] = v;
  }
};

template <class T, Decay kDecay>
void adam_with(const Buffer& parameters, const ConstBuffer& gradients, const Buffer& mean, const Buffer& square,
               const Buffer& largest, const AdamStep& step) {
  T* const p = elements<T>(parameters);
  T* const m = elements<T>(mean);
  T* const v = elements<T>(square);
  const std::array<const T*, 1> read{elements<T>(gradients)};
  if (largest.count == 0)
    sweep(AdamElement<T, kDecay, false>(step), std::array<T*, 3>{p, m, v}, read, parameters.count);
  else
    sweep(AdamElement<T, kDecay, true>(step), std::array<T*, 4>{p, m, v, elements<T>(largest)}, read, parameters.count);
}

template <class T>
void adam_as(const Buffer& parameters, const ConstBuffer& gradients, const Buffer& mean, const Buffer& square,
             const Buffer& largest, const AdamStep& step) {
  const auto use = step.weight_decay == 0.0 ? &adam_with<T, Decay::none>
                   : step.decoupled         ? &adam_with<T, Decay::decoupled>
                                            : &adam_with<T, Decay::coupled>;
  use(parameters, gradients, mean, square, largest, step);
}

void adam_on_target(const Buffer& parameters, const ConstBuffer& gradients, const Buffer& mean, const Buffer& square,
                    const Buffer& largest, const AdamStep& step) {
  const auto use = parameters.dtype == DType::f32 ? &adam_as<float> : &adam_as<double>;
  use(parameters, gradients, mean, square, largest, step);
}

}  // namespace tutti::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace tutti {

HWY_EXPORT(adam_on_target);

void adam_update(Buffer parameters, ConstBuffer gradients, Buffer mean, Buffer square, Buffer largest,
                 const AdamStep& step) {
  constexpr const char* kName = "adam_update";
  constexpr double kAny = std::numeric_limits<double>::infinity();
  require_floats(kName, parameters);
  require_like(kName, "gradients", gradients, parameters);
  require_like(kName, "means", mean, parameters);
  require_like(kName, "squares", square, parameters);
  if (largest.count != 0) require_like(kName, "largest squares", largest, parameters);
  require_in(kName, "beta1", step.beta1, 0.0, 1.0);
  require_in(kName, "beta2", step.beta2, 0.0, 1.0);
  require_in(kName, "epsilon", step.epsilon, std::numeric_limits<double>::min(), kAny);
  require_in(kName, "weight decay", step.weight_decay, 0.0, kAny);
  if (step.number == 0) throw InvalidArgument("adam_update: steps are counted from 1");
  if (parameters.count == 0) return;
  HWY_DYNAMIC_DISPATCH(adam_on_target)(parameters, gradients, mean, square, largest, step);
}

}  // namespace tutti
#endif
