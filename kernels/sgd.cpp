// The SGD step on host memory. Per element of size s it reads 2s bytes and writes s; with momentum it reads 3s and
// writes 2s.
#include <tutti/kernels/sgd.hpp>

#include <cstring>

#include <tutti/kernels/arithmetic/sgd.hpp>
#include <tutti/kernels/error.hpp>
#include <tutti/kernels/update/arguments.hpp>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "tutti/kernels/sgd.cpp"
#include <hwy/foreach_target.h>
// Highway's own headers, and ours that are compiled per instruction set, come after foreach_target.h.
#include <hwy/highway.h>

#include <tutti/kernels/floats-inl.hpp>

HWY_BEFORE_NAMESPACE();
namespace tutti::HWY_NAMESPACE {

#define TUTTI_ARITHMETIC HWY_INLINE
#include <tutti/kernels/arithmetic/sgd.inc>
#undef TUTTI_ARITHMETIC

/// The operations of arithmetic/sgd.inc on vectors of T.
template <class T>
struct VectorOps {
  using Value = hn::Vec<Tag<T>>;
  static HWY_INLINE Value add(Value a, Value b) { return hn::Add(a, b); }
  static HWY_INLINE Value sub(Value a, Value b) { return hn::Sub(a, b); }
  static HWY_INLINE Value mul(Value a, Value b) { return hn::Mul(a, b); }
  static HWY_INLINE Value one_nan(Value a) { return HWY_NAMESPACE::one_nan(a); }
};

template <class T, class Variant>
void update(T* parameters, const T* gradients, T* velocity, std::size_t count,
            const arithmetic::SgdNumbers<T>& numbers) {
  const Tag<T> d;
  using V = hn::Vec<Tag<T>>;
  const std::size_t lanes = hn::Lanes(d);
  const SgdNumbers<V> step = {hn::Set(d, numbers.learning_rate), hn::Set(d, numbers.momentum),
                              hn::Set(d, numbers.weight_decay)};
  const auto take_step = [&](T* p, const T* g, T* v) HWY_ATTR {
    V parameter = hn::LoadU(d, p);
    V moving = hn::Zero(d);
    if constexpr (Variant::kMomentum) moving = hn::LoadU(d, v);
    sgd_element<VectorOps<T>, Variant::kWeightDecay, Variant::kMomentum, Variant::kNesterov>(step, parameter,
                                                                                             hn::LoadU(d, g), moving);
    hn::StoreU(parameter, d, p);
    if constexpr (Variant::kMomentum) hn::StoreU(moving, d, v);
  };
  std::size_t i = 0;
  for (; i + lanes <= count; i += lanes) {
    take_step(parameters + i, gradients + i, Variant::kMomentum ? velocity + i : nullptr);
  }
  if (i == count) return;
  constexpr std::size_t kMaxLanes = kMaxVectorBytes / sizeof(T);
  T p[kMaxLanes] = {}, g[kMaxLanes] = {}, v[kMaxLanes] = {};
  const std::size_t rest = (count - i) * sizeof(T);
  std::memcpy(p, parameters + i, rest);
  std::memcpy(g, gradients + i, rest);
  if constexpr (Variant::kMomentum) std::memcpy(v, velocity + i, rest);
  take_step(p, g, v);
  std::memcpy(parameters + i, p, rest);
  if constexpr (Variant::kMomentum) std::memcpy(velocity + i, v, rest);
}

template <class T>
void update_as(const Buffer& parameters, const ConstBuffer& gradients, const Buffer& velocity, const SgdStep& step) {
  arithmetic::with_sgd_variant(step, [&](auto variant) {
    update<T, decltype(variant)>(static_cast<T*>(parameters.data), static_cast<const T*>(gradients.data),
                                 static_cast<T*>(velocity.data), parameters.count, arithmetic::sgd_numbers<T>(step));
  });
}

void update_on_target(const Buffer& parameters, const ConstBuffer& gradients, const Buffer& velocity,
                      const SgdStep& step) {
  if (parameters.dtype == DType::f32) return update_as<float>(parameters, gradients, velocity, step);
  return update_as<double>(parameters, gradients, velocity, step);
}

}  // namespace tutti::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace tutti {

HWY_EXPORT(update_on_target);

void arithmetic::check_sgd_arguments(const ConstBuffer& parameters, const ConstBuffer& gradients,
                                     const ConstBuffer& velocity, const SgdStep& step, MemorySpace space) {
  constexpr const char* kName = "sgd_update";
  require_floats(kName, parameters, space);
  require_like(kName, "gradients", gradients, parameters);
  require_in(kName, "momentum", step.momentum, 0.0, 1.0);
  if (step.nesterov && step.momentum == 0.0) throw InvalidArgument("sgd_update: nesterov needs momentum above 0");
  if (step.momentum != 0.0) require_like(kName, "velocities", velocity, parameters);
}

void sgd_update(Buffer parameters, ConstBuffer gradients, Buffer velocity, const SgdStep& step) {
  arithmetic::check_sgd_arguments(parameters, gradients, velocity, step, MemorySpace::host);
  if (parameters.count == 0) return;
  HWY_DYNAMIC_DISPATCH(update_on_target)(parameters, gradients, velocity, step);
}

}  // namespace tutti
#endif
