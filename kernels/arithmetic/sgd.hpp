// The arithmetic of an SGD step in scalars, the same for host code and CUDA kernels, and the choice of its variant.
#pragma once

#include <limits>

#include <tutti/kernels/sgd.hpp>

#ifdef __CUDACC__
#define TUTTI_ARITHMETIC __host__ __device__ inline
#else
#define TUTTI_ARITHMETIC inline
#endif

namespace tutti::arithmetic {

/// The operations of arithmetic/sgd.inc on T = float or double.
template <class T>
struct ScalarOps {
  using Value = T;
  TUTTI_ARITHMETIC static T add(T a, T b) { return a + b; }
  TUTTI_ARITHMETIC static T sub(T a, T b) { return a - b; }
  TUTTI_ARITHMETIC static T mul(T a, T b) { return a * b; }
  TUTTI_ARITHMETIC static T one_nan(T a) {
    if (a != a) return kNan;
    return a;
  }

 private:
  static constexpr T kNan = std::numeric_limits<T>::quiet_NaN();
};

#include <tutti/kernels/arithmetic/sgd.inc>

/// `step` rounded to T.
template <class T>
SgdNumbers<T> sgd_numbers(const SgdStep& step) {
  return {static_cast<T>(step.learning_rate), static_cast<T>(step.momentum), static_cast<T>(step.weight_decay)};
}

/// Which terms the formula has: without weight decay or momentum they are left out, not multiplied by zero.
template <bool kDecay, bool kMoment, bool kLookAhead>
struct SgdVariant {
  static constexpr bool kWeightDecay = kDecay;
  static constexpr bool kMomentum = kMoment;
  static constexpr bool kNesterov = kLookAhead;
};

/// Calls `use` with the SgdVariant that `step` asks for.
template <class Use>
void with_sgd_variant(const SgdStep& step, Use use) {
  const auto choose = [&]<bool kDecay>() {
    if (step.momentum == 0.0) return use(SgdVariant<kDecay, false, false>());
    if (!step.nesterov) return use(SgdVariant<kDecay, true, false>());
    return use(SgdVariant<kDecay, true, true>());
  };
  if (step.weight_decay == 0.0) return choose.template operator()<false>();
  return choose.template operator()<true>();
}

/// What sgd_update() demands of its arguments, for buffers in `space`. \throws InvalidArgument
void check_sgd_arguments(const ConstBuffer& parameters, const ConstBuffer& gradients, const ConstBuffer& velocity,
                         const SgdStep& step, MemorySpace space);

}  // namespace tutti::arithmetic

#undef TUTTI_ARITHMETIC
