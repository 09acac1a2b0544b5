// One step of LAMB, over a parameter tensor or a part of one, in two halves.
#pragma once

#include <cstdint>
#include <span>

#include <tutti/kernels/buffer.hpp>

namespace tutti {

struct LambStep {
  double learning_rate = 0.0;
  double beta1 = 0.9;         ///< 0 <= beta1 < 1
  double beta2 = 0.999;       ///< 0 <= beta2 < 1
  double epsilon = 1e-6;      ///< above 0, added to the root after its correction
  double weight_decay = 0.0;  ///< at least 0
  double trust_ratio = 1.0;   ///< |p| / |u| of the whole tensor, 1 where either is 0 or the tensor does not adapt
  std::uint64_t number = 1;   ///< of this step, counted from 1
};

/// m = beta1 m + (1 - beta1) g;  v = beta2 v + (1 - beta2) g^2;
/// u = m / (1 - beta1^number) / (sqrt(v / (1 - beta2^number)) + epsilon) + weight_decay p;
/// p -= learning_rate trust_ratio u.
///
/// You et al. (arXiv 1904.00962), with bias correction, and the identity as the scaling function phi. Mean and square
/// start as zeros. Buffers, bits and errors: adam_update().
///
/// lamb_moments() makes m and v, and the sums of the squares of p and u in each block of kNormBlock elements (an
/// element each, gradients.hpp), from which the caller has the norms of whole tensors. lamb_update() then changes p.
void lamb_moments(ConstBuffer parameters, ConstBuffer gradients, Buffer mean, Buffer square, const LambStep& step,
                  std::span<double> parameter_squares, std::span<double> direction_squares);
void lamb_update(Buffer parameters, ConstBuffer mean, ConstBuffer square, const LambStep& step);

}  // namespace tutti
