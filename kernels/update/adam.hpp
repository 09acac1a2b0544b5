// One step of Adam or AdamW, over contiguous memory.
#pragma once

#include <cstdint>

#include <tutti/kernels/buffer.hpp>

namespace tutti {

struct AdamStep {
  double learning_rate = 0.0;
  double beta1 = 0.9;         ///< 0 <= beta1 < 1
  double beta2 = 0.999;       ///< 0 <= beta2 < 1
  double epsilon = 1e-8;      ///< above 0, added to the root after its correction
  double weight_decay = 0.0;  ///< at least 0
  bool decoupled = false;     ///< AdamW: the parameter shrinks; else weight_decay * parameter is added to the gradient
  std::uint64_t number = 1;   ///< of this step, counted from 1
};

/// p *= 1 - learning_rate weight_decay (decoupled), or g += weight_decay p;
/// m = beta1 m + (1 - beta1) g;  v = beta2 v + (1 - beta2) g^2;
/// p -= learning_rate / (1 - beta1^number)  m / (sqrt(v) / sqrt(1 - beta2^number) + epsilon).
///
/// Kingma and Ba (ICLR 2015) and Loshchilov and Hutter (ICLR 2019), as torch::optim::Adam and AdamW state them. With
/// `largest`, AMSGrad (Reddi et al., ICLR 2018): largest = max(largest, v) stands for v in the last line; an empty
/// buffer is plain Adam. Mean, square and largest start as zeros. All buffers have the same count and dtype (f32 or
/// f64), in host memory, without overlap. The arithmetic is done in the dtype, one rounding an operation, NaN is stored
/// with positive sign and no payload: the same bits on every instruction set. \throws InvalidArgument if the buffers do
/// not match or a number of `step` is out of its range.
void adam_update(Buffer parameters, ConstBuffer gradients, Buffer mean, Buffer square, Buffer largest,
                 const AdamStep& step);

}  // namespace tutti
