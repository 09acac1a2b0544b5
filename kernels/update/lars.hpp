// One step of LARS, over a parameter tensor or a part of one.
#pragma once

#include <tutti/kernels/buffer.hpp>

namespace tutti {

struct LarsStep {
  double learning_rate = 0.0;
  double momentum = 0.9;      ///< 0 <= momentum < 1
  double weight_decay = 0.0;  ///< at least 0
  double trust_ratio = 1.0;   ///< of lars_trust_ratio(), or 1
};

/// trust_coefficient |p| / (|g| + weight_decay |p|), and 1 where |p| or |g| is 0. The norms are those of a whole
/// tensor.
double lars_trust_ratio(double parameter_norm, double gradient_norm, double trust_coefficient,
                        double weight_decay) noexcept;

/// v = momentum v + learning_rate trust_ratio (g + weight_decay p);  p -= v.
///
/// You et al. (arXiv 1708.03888), algorithm 1: the rate is inside the velocity. Velocity starts as zeros. Buffers, bits
/// and errors: adam_update().
void lars_update(Buffer parameters, ConstBuffer gradients, Buffer velocity, const LarsStep& step);

}  // namespace tutti
