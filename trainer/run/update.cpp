#include <tutti/trainer/run/update.hpp>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstring>

#include <tutti/kernels/finite.hpp>
#include <tutti/kernels/gradients.hpp>

namespace tutti::trainer {

namespace {

std::size_t not_finite_in(const Buckets& buckets, std::size_t bucket) {
  const auto& parameters = buckets.plan().buckets[bucket].parameters;
  for (const std::size_t parameter : parameters)
    if (!all_finite(buckets.gradient(parameter))) return parameter;
  return parameters.front();  // in the padding, where nothing is but zeros
}

/// torch's clip_grad_norm_ divides by the norm plus this, so that also a norm of just `limit` shrinks a little.
constexpr double kNormOffset = 1e-6;

}  // namespace

std::vector<std::string_view> update_slots(const Optimizer& optimizer, const OptimizerOptions& options) {
  std::vector<std::string_view> slots(optimizer.slots().begin(), optimizer.slots().end());
  if (options.ema_decay > 0.0) slots.emplace_back("average");
  return slots;
}

Update::Update(const Optimizer& optimizer, const OptimizerOptions& options, std::span<const ParameterInfo> parameters,
               const Buckets& buckets)
    : optimizer_(optimizer),
      clip_norm_(options.clip_norm),
      clip_value_(options.clip_value),
      ema_decay_(options.ema_decay),
      buckets_(buckets),
      squares_(parameters.size()) {
  const auto sweeps = plan_sweeps(buckets.plan(), parameter_settings(parameters, options), optimizer.per_tensor());
  for (std::size_t b = 0; b < buckets.size(); ++b) {
    std::vector<Part>& parts = parts_.emplace_back();
    for (const Sweep& sweep : sweeps[b]) {
      const auto cut = [&](Buffer memory) { return memory.slice(sweep.offset, sweep.count); };
      Part& part = parts.emplace_back();
      for (const Buffer slot : buckets.slots(b).first(optimizer.slots().size())) part.slots.push_back(cut(slot));
      part.memory = {cut(buckets.parameters(b)), cut(buckets.gradients(b)), {}};
      part.settings = sweep.settings;
    }
    for (Part& part : parts) part.memory.slots = part.slots;
  }
}

UpdateOutcome Update::run(Exchange& exchange, const UpdateRequest& request) {
  const bool clips = clip_norm_ > 0.0;
  UpdateOutcome outcome;
  for (std::size_t b = 0; b < buckets_.size(); ++b) {
    exchange.wait(b);
    // A pass over what the update is about to read, and so in the cache of the processor.
    if (!all_finite(buckets_.gradients(b))) return {.not_finite = not_finite_in(buckets_, b), .gradient_norm = {}};
    if (clips || request.norm) add_norms(b);
    if (!clips) update_bucket(b, request, 1.0);
  }
  if (!clips && !request.norm) return outcome;
  outcome.gradient_norm = norm();
  if (!clips) return outcome;
  // Finite gradients of f64 can have squares that are not.
  if (!std::isfinite(*outcome.gradient_norm)) return {.not_finite = largest_gradient(), .gradient_norm = {}};
  const double factor = std::min(1.0, clip_norm_ / (*outcome.gradient_norm + kNormOffset));
  for (std::size_t b = 0; b < buckets_.size(); ++b) update_bucket(b, request, factor);
  return outcome;
}

void Update::add_norms(std::size_t bucket) {
  for (const std::size_t parameter : buckets_.plan().buckets[bucket].parameters)
    squares_[parameter] = sum_of_squares(buckets_.gradient(parameter));
}

/// Tensor by tensor in model order: it does not depend on how buckets are cut.
double Update::norm() const noexcept {
  double sum = 0.0;
  for (const double square : squares_) sum += square;
  return std::sqrt(sum);
}

std::size_t Update::largest_gradient() const noexcept {
  return static_cast<std::size_t>(std::max_element(squares_.begin(), squares_.end()) - squares_.begin());
}

void Update::update_bucket(std::size_t bucket, const UpdateRequest& request, double factor) {
  if (factor != 1.0) scale(buckets_.gradients(bucket), factor);
  if (clip_value_ > 0.0) clamp(buckets_.gradients(bucket), clip_value_);
  for (const Part& part : parts_[bucket])
    optimizer_.update(part.memory, {.learning_rate = request.learning_rate * part.settings.learning_rate_factor,
                                    .weight_decay = part.settings.weight_decay,
                                    .adapts = part.settings.adapts,
                                    .number = request.number});
  if (ema_decay_ == 0.0) return;
  const Buffer parameters = buckets_.parameters(bucket);
  if (request.number == 1)
    std::memcpy(average(bucket).data, parameters.data, parameters.size_bytes());
  else
    update_average(average(bucket), parameters, ema_decay_);
}

void Update::swap_average() noexcept {
  for (std::size_t b = 0; b < buckets_.size(); ++b) {
    const Buffer parameters = buckets_.parameters(b);
    auto* const bytes = static_cast<std::byte*>(parameters.data);
    std::swap_ranges(bytes, bytes + parameters.size_bytes(), static_cast<std::byte*>(average(b).data));
  }
}

}  // namespace tutti::trainer
