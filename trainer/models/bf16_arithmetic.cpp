#include <tutti/trainer/models/bf16_arithmetic.hpp>

#include <ATen/autocast_mode.h>

namespace tutti::trainer {

Bf16Arithmetic::Bf16Arithmetic(bool on) : on_(on) {
  if (!on_) return;
  at::autocast::set_autocast_cpu_dtype(at::kBFloat16);
  at::autocast::set_cpu_enabled(true);
  at::autocast::increment_nesting();
}

Bf16Arithmetic::~Bf16Arithmetic() {
  if (!on_) return;
  at::autocast::decrement_nesting();
  at::autocast::clear_cache();
  at::autocast::set_cpu_enabled(false);
}

}  // namespace tutti::trainer
