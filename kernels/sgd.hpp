// One step of stochastic gradient descent with momentum, over contiguous memory.
#pragma once

#include <tutti/kernels/cpp20.hpp>

#include <tutti/kernels/buffer.hpp>

#pragma GCC visibility push(default)
namespace tutti {

/// How one step is taken. With momentum 0 the velocity is neither read nor written and may be empty.
struct SgdStep {
  double learning_rate = 0.0;
  double momentum = 0.0;      ///< 0 <= momentum < 1
  double weight_decay = 0.0;  ///< added to the gradient as weight_decay * parameter (L2)
  bool nesterov = false;      ///< Nesterov's look-ahead; needs momentum > 0
};

/// g' = g + weight_decay p;  v = momentum v + g';  p -= learning_rate (nesterov ? g' + momentum v : v).
///
/// A term whose factor (weight_decay, momentum) is 0 is left out. Velocity starts as zeros. This is the form of
/// Sutskever et al. (ICML 2013) as torch::optim::SGD states it, dampening 0. All buffers have the same count and dtype
/// (f32 or f64), in host memory, and do not overlap. The arithmetic is done in the dtype, one rounding per operation
/// written above (no fused multiply-add), NaN is stored with positive sign and no payload: the same bits on every
/// instruction set and in the CUDA kernel. \throws InvalidArgument if the buffers do not match or a number of `step` is
/// out of its range.
void sgd_update(Buffer parameters, ConstBuffer gradients, Buffer velocity, const SgdStep& step);

}  // namespace tutti
#pragma GCC visibility pop
