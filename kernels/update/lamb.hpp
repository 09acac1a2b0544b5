// One step of LAMB, over one parameter tensor.
#pragma once

#include <cstdint>

#include <tutti/kernels/buffer.hpp>

namespace tutti {

struct LambStep {
  double learning_rate = 0.0;
  double beta1 = 0.9;         ///< 0 <= beta1 < 1
  double beta2 = 0.999;       ///< 0 <= beta2 < 1
  double epsilon = 1e-6;      ///< above 0, added to the root after its correction
  double weight_decay = 0.0;  ///< at least 0
  bool adapts = true;         ///< false: the trust ratio is 1
  std::uint64_t number = 1;   ///< of this step, counted from 1
};

/// m = beta1 m + (1 - beta1) g;  v = beta2 v + (1 - beta2) g^2;
/// u = m / (1 - beta1^number) / (sqrt(v / (1 - beta2^number)) + epsilon) + weight_decay p;
/// ratio = |p| / |u|, and 1 where either is 0 or the step does not adapt;  p -= learning_rate ratio u.
///
/// You et al. (arXiv 1904.00962), with bias correction, and the identity as the scaling function phi. Norms are over
/// the whole buffer, which is one tensor, in f64, in the order of sum_of_squares() of gradients.hpp. Mean and square
/// start as zeros. Buffers, bits and errors: adam_update().
void lamb_update(Buffer parameters, ConstBuffer gradients, Buffer mean, Buffer square, const LambStep& step);

}  // namespace tutti
