// The step of Adagrad. Per element of size s it reads 3s bytes and writes 2s.
#include <tutti/kernels/update/adagrad.hpp>

#include <array>
#include <cstddef>
#include <limits>

#include <tutti/kernels/error.hpp>
#include <tutti/kernels/update/arguments.hpp>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "tutti/kernels/update/adagrad.cpp"
#include <hwy/foreach_target.h>
// Highway's own headers, and ours that are compiled per instruction set, come after foreach_target.h.
#include <hwy/highway.h>

#include <tutti/kernels/update/sweep-inl.hpp>

HWY_BEFORE_NAMESPACE();
namespace tutti::HWY_NAMESPACE {

template <class T, bool kDecay>
struct AdagradElement {
  using V = VectorOf<T>;
  V rate, initial, epsilon, decay;

  explicit AdagradElement(const AdagradStep& s)
      : rate(all<T>(s.learning_rate / (1.0 + static_cast<double>(s.number - 1) * s.rate_decay))),
        initial(all<T>(s.number == 1 ? s.initial_accumulator : 0.0)),
        epsilon(all<T>(s.epsilon)),
        decay(all<T>(s.weight_decay)) {}

  /// state: parameter and square.
  HWY_INLINE void operator()(V (&state)[2], const V (&input)[1]) const {
    V g = input[0];
    if constexpr (kDecay) g = hn::Add(g, hn::Mul(decay, state[0]));
    state[1] = one_nan(hn::Add(hn::Add(state[1], initial), hn::Mul(g, g)));
    state[0] = one_nan(hn::Sub(state[0], hn::Mul(rate, hn::Div(g, hn::Add(hn::Sqrt(state[1]), epsilon)))));
  }
};

template <class T>
void adagrad_as(const Buffer& parameters, const ConstBuffer& gradients, const Buffer& square, const AdagradStep& step) {
  const std::array<T*, 2> written{elements<T>(parameters), elements<T>(square)};
  const std::array<const T*, 1> read{elements<T>(gradients)};
  if (step.weight_decay == 0.0)
    sweep(AdagradElement<T, false>(step), written, read, parameters.count);
  else
    sweep(AdagradElement<T, true>(step), written, read, parameters.count);
}

void adagrad_on_target(const Buffer& parameters, const ConstBuffer& gradients, const Buffer& square,
                       const AdagradStep& step) {
  const auto use = parameters.dtype == DType::f32 ? &adagrad_as<float> : &adagrad_as<double>;
  use(parameters, gradients, square, step);
}

}  // namespace tutti::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace tutti {

HWY_EXPORT(adagrad_on_target);

void adagrad_update(Buffer parameters, ConstBuffer gradients, Buffer square, const AdagradStep& step) {
  constexpr const char* kName = "adagrad_update";
  constexpr double kAny = std::numeric_limits<double>::infinity();
  require_floats(kName, parameters);
  require_like(kName, "gradients", gradients, parameters);
  require_like(kName, "squares", square, parameters);
  require_in(kName, "rate decay", step.rate_decay, 0.0, kAny);
  require_in(kName, "initial accumulator", step.initial_accumulator, 0.0, kAny);
  require_in(kName, "epsilon", step.epsilon, std::numeric_limits<double>::min(), kAny);
  require_in(kName, "weight decay", step.weight_decay, 0.0, kAny);
  if (step.number == 0) throw InvalidArgument("adagrad_update: steps are counted from 1");
  if (parameters.count == 0) return;
  HWY_DYNAMIC_DISPATCH(adagrad_on_target)(parameters, gradients, square, step);
}

}  // namespace tutti
#endif
