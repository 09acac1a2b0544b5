#include <tutti/trainer/exchange/loss_scale.hpp>

#include <charconv>
#include <cmath>
#include <system_error>

#include <tutti/kernels/error.hpp>
#include <tutti/kernels/text.hpp>

namespace tutti::trainer {

namespace {

constexpr double kLargest = 18446744073709551616.0;  // 2^64: beyond it even gradients of 1e-20 are infinite in f16

double power_of_two(std::string_view text) {
  double value = 0.0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  int exponent = 0;
  if (error != std::errc{} || end != text.data() + text.size() || !(value >= 1.0 && value <= kLargest) ||
      std::frexp(value, &exponent) != 0.5)
    throw InvalidArgument(tutti::text("numerics.loss_scale = \"", text,
                                      "\" is neither none nor dynamic nor a power of two from 1 to 2^64"));
  return value;
}

}  // namespace

LossScale::LossScale(std::string_view setting) : is_on_(setting != "none"), is_dynamic_(setting == "dynamic") {
  if (is_dynamic_)
    state_.scale = kFirst;
  else if (is_on_)
    fixed_ = power_of_two(setting);
}

void LossScale::restore(const LossScaleState& state) noexcept {
  state_.skipped = state.skipped;
  if (!is_dynamic_ || state.scale == 0.0) return;
  state_.scale = state.scale;
  state_.good_steps = state.good_steps;
}

void LossScale::step_was_made() noexcept {
  if (!is_dynamic_ || ++state_.good_steps < kGoodSteps) return;
  state_.good_steps = 0;
  if (state_.scale < kLargest) state_.scale *= 2.0;
}

bool LossScale::skip() noexcept {
  if (!is_dynamic_ || state_.scale <= 1.0) return false;
  state_.scale *= 0.5;
  state_.good_steps = 0;
  ++state_.skipped;
  return true;
}

}  // namespace tutti::trainer
