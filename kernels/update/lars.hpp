// One step of LARS, over one parameter tensor.
#pragma once

#include <tutti/kernels/buffer.hpp>

namespace tutti {

struct LarsStep {
  double learning_rate = 0.0;
  double momentum = 0.9;             ///< 0 <= momentum < 1
  double weight_decay = 0.0;         ///< at least 0
  double trust_coefficient = 0.001;  ///< above 0
  bool adapts = true;                ///< false: the trust ratio is 1
};

/// ratio = trust_coefficient |p| / (|g| + weight_decay |p|), and 1 where |p| or |g| is 0 or the step does not adapt;
/// v = momentum v + learning_rate ratio (g + weight_decay p);  p -= v.
///
/// You et al. (arXiv 1708.03888), algorithm 1: the rate is inside the velocity. Norms are over the whole buffer, which
/// is one tensor, in f64, by sum_of_squares() of gradients.hpp. Velocity starts as zeros. Buffers, bits and errors:
/// adam_update().
void lars_update(Buffer parameters, ConstBuffer gradients, Buffer velocity, const LarsStep& step);

}  // namespace tutti
