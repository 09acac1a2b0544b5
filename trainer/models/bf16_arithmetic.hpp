// Arithmetic in bf16 over parameters of f32.
#pragma once

namespace tutti::trainer {

/// While it lives, and if `on`, libtorch computes matrix products and convolutions of this thread in bf16, from copies
/// of the parameters that it makes once; what follows them keeps the type of its input. Backward computes each
/// operation in the type that it had in forward, and gradients of parameters are f32. The copies go with this object:
/// they must, since the next forward pass is over other values.
class Bf16Arithmetic {
 public:
  explicit Bf16Arithmetic(bool on);
  ~Bf16Arithmetic();
  Bf16Arithmetic(const Bf16Arithmetic&) = delete;
  Bf16Arithmetic& operator=(const Bf16Arithmetic&) = delete;

 private:
  const bool on_;
};

}  // namespace tutti::trainer
