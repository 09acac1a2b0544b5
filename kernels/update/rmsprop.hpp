// One step of RMSprop, over contiguous memory.
#pragma once

#include <tutti/kernels/buffer.hpp>

namespace tutti {

struct RmspropStep {
  double learning_rate = 0.0;
  double alpha = 0.99;        ///< 0 <= alpha < 1
  double momentum = 0.0;      ///< 0 <= momentum < 1
  double epsilon = 1e-8;      ///< above 0, added to the root
  double weight_decay = 0.0;  ///< at least 0, added to the gradient as weight_decay * parameter
};

/// g += weight_decay p;  v = alpha v + (1 - alpha) g^2;  a = alpha a + (1 - alpha) g;
/// d = g / (sqrt(v - a^2) + epsilon);  b = momentum b + d;  p -= learning_rate b.
///
/// Hinton (lecture 6e, 2012), as torch::optim::RMSprop states it. `mean` (a) is for the centered form and empty without
/// it: then the root is that of v. Where v - a^2 is below 0 by rounding, 0 stands for it (torch gives NaN). `velocity`
/// (b) may be empty if momentum is 0: then d stands for b. Slots start as zeros. Buffers, bits and errors:
/// adam_update().
void rmsprop_update(Buffer parameters, ConstBuffer gradients, Buffer square, Buffer mean, Buffer velocity,
                    const RmspropStep& step);

}  // namespace tutti
