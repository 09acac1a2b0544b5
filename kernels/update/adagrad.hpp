// One step of Adagrad, over contiguous memory.
#pragma once

#include <cstdint>

#include <tutti/kernels/buffer.hpp>

namespace tutti {

struct AdagradStep {
  double learning_rate = 0.0;
  double rate_decay = 0.0;           ///< at least 0
  double initial_accumulator = 0.0;  ///< at least 0
  double epsilon = 1e-10;            ///< above 0, added to the root
  double weight_decay = 0.0;         ///< at least 0, added to the gradient as weight_decay * parameter
  std::uint64_t number = 1;          ///< of this step, counted from 1
};

/// g += weight_decay p;  s += g^2;  p -= learning_rate / (1 + (number - 1) rate_decay)  g / (sqrt(s) + epsilon).
///
/// Duchi et al. (JMLR 2011), as torch::optim::Adagrad states it. `square` is zeros before the first step, which adds
/// the initial accumulator. Buffers, bits and errors: adam_update().
void adagrad_update(Buffer parameters, ConstBuffer gradients, Buffer square, const AdagradStep& step);

}  // namespace tutti
