#include <tutti/trainer/run/update.hpp>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstring>

#include <tutti/collectives/flight_recorder.hpp>
#include <tutti/kernels/finite.hpp>
#include <tutti/kernels/gradients.hpp>

namespace tutti::trainer {

namespace {

/// torch's clip_grad_norm_ divides by the norm plus this, so that also a norm of just `limit` shrinks a little.
constexpr double kNormOffset = 1e-6;

}  // namespace

std::vector<std::string_view> update_slots(const Optimizer& optimizer, const OptimizerOptions& options) {
  std::vector<std::string_view> slots(optimizer.slots().begin(), optimizer.slots().end());
  if (options.ema_decay > 0.0) slots.emplace_back("average");
  return slots;
}

NormSums::NormSums(const BucketPlan& plan) : begin_{0} {
  for (const BucketPlan::Place& place : plan.places)
    begin_.push_back(begin_.back() + (place.count + kNormBlock - 1) / kNormBlock);
  sums_.resize(begin_.back());
}

std::span<double> NormSums::blocks(const BucketPlan::Piece& piece) noexcept {
  return std::span(sums_).subspan(begin_[piece.parameter] + piece.first / kNormBlock,
                                  (piece.count + kNormBlock - 1) / kNormBlock);
}

double NormSums::of(std::size_t parameter) const noexcept {
  double sum = 0.0;
  for (std::size_t block = begin_[parameter]; block < begin_[parameter + 1]; ++block) sum += sums_[block];
  return sum;
}

Update::Update(const Optimizer& optimizer, const OptimizerOptions& options, std::span<const ParameterInfo> parameters,
               const Buckets& buckets)
    : optimizer_(optimizer),
      clip_norm_(options.clip_norm),
      clip_value_(options.clip_value),
      ema_decay_(options.ema_decay),
      buckets_(buckets),
      gradients_(buckets.plan()),
      weights_(optimizer.needs_norms() ? NormSums(buckets.plan()) : NormSums({})),
      directions_(weights_),
      not_finite_(parameters.size()) {
  const auto settings = parameter_settings(parameters, options);
  const BucketPlan& plan = buckets.plan();
  for (std::size_t b = 0; b < buckets.size(); ++b) {
    const std::size_t begin = buckets.own_offset(b);
    const std::size_t end = begin + buckets.own_gradients(b).count;
    own_pieces_.push_back(pieces_within(plan, b, begin, end));
    std::vector<Part>& parts = parts_.emplace_back();
    if (optimizer.needs_norms()) {
      for (const BucketPlan::Piece& piece : own_pieces_.back()) {
        const std::size_t offset = plan.offset_of(piece) - plan.buckets[b].offset;
        parts.push_back(part(b, offset, piece.count, settings[piece.parameter]));
        parts.back().piece = piece;
      }
    } else {
      for (const Sweep& sweep : plan_sweeps(plan, b, begin, end, settings))
        parts.push_back(part(b, sweep.offset, sweep.count, sweep.settings));
    }
    for (Part& its : parts) its.memory.slots = its.slots;
  }
}

Update::Part Update::part(std::size_t bucket, std::size_t offset, std::size_t count,
                          const ParameterSettings& settings) const {
  Part part{
      .memory = {buckets_.parameters(bucket).slice(offset, count), buckets_.gradients(bucket).slice(offset, count), {}},
      .slots = {},
      .settings = settings,
      .piece = {}};
  for (const Buffer slot : buckets_.slots(bucket).first(optimizer_.slots().size()))
    part.slots.push_back(slot.slice(offset - buckets_.own_offset(bucket), count));
  return part;
}

UpdateOutcome Update::run(Exchange& exchange, const UpdateRequest& request) {
  const bool clips = clip_norm_ > 0.0;
  const bool norms = clips || request.norm;
  const bool waits_for_all = clips || request.all_or_nothing;
  const bool is_alone = buckets_.ownership().ranks == 1;  // then all ranks see the same
  std::fill(not_finite_.begin(), not_finite_.end(), 0.0);
  for (NormSums* sums : {&gradients_, &weights_, &directions_}) sums->clear();
  for (std::size_t b = 0; b < buckets_.size(); ++b) {
    exchange.wait(b);
    // A pass over what the update is about to read, and so in the cache of the processor.
    const bool finite = is_finite(b);
    if (!finite && is_alone) break;
    if (request.divisor != 1.0) scale(buckets_.own_gradients(b), 1.0 / request.divisor);
    if (norms) add_gradient_norms(b);
    if (waits_for_all) continue;
    if (finite)
      begin_update(exchange, b, request, 1.0);
    else if (!optimizer_.needs_norms())
      exchange.updated(b);  // as the other ranks do
  }
  UpdateOutcome outcome = agreed_outcome(exchange);
  if (outcome.not_finite) return outcome;
  if (norms) {
    exchange.combine(gradients_.all());
    outcome.gradient_norm = gradient_norm();
  }
  double factor = 1.0;
  if (clips) {
    // Finite gradients of f64 can have squares that are not.
    if (!std::isfinite(*outcome.gradient_norm))
      return {.not_finite = largest_gradient(), .norm_overflows = true, .gradient_norm = {}};
    factor = std::min(1.0, clip_norm_ / (*outcome.gradient_norm + kNormOffset));
  }
  if (waits_for_all)
    for (std::size_t b = 0; b < buckets_.size(); ++b) begin_update(exchange, b, request, factor);
  if (optimizer_.needs_norms()) {
    exchange.combine(weights_.all());
    exchange.combine(directions_.all());
    for (std::size_t b = 0; b < buckets_.size(); ++b) finish_update(exchange, b, request);
  }
  exchange.finish();
  return outcome;
}

bool Update::is_finite(std::size_t bucket) {
  if (all_finite(buckets_.own_gradients(bucket))) return true;
  const BucketPlan& plan = buckets_.plan();
  const Buffer gradients = buckets_.gradients(bucket);
  for (const BucketPlan::Piece& piece : own_pieces_[bucket]) {
    const std::size_t offset = plan.offset_of(piece) - plan.buckets[bucket].offset;
    if (!all_finite(gradients.slice(offset, piece.count))) not_finite_[piece.parameter] = 1.0;
  }
  return false;
}

UpdateOutcome Update::agreed_outcome(Exchange& exchange) {
  exchange.combine(not_finite_);
  UpdateOutcome outcome;
  // Of several the first in the order of exchange, which is the first that is found where all ranks see the same.
  for (const BucketPlan::Bucket& bucket : buckets_.plan().buckets)
    for (const BucketPlan::Piece& piece : bucket.pieces)
      if (!outcome.not_finite && not_finite_[piece.parameter] != 0.0) outcome.not_finite = piece.parameter;
  return outcome;
}

void Update::add_gradient_norms(std::size_t bucket) {
  const BucketPlan& plan = buckets_.plan();
  const Buffer gradients = buckets_.gradients(bucket);
  for (const BucketPlan::Piece& piece : own_pieces_[bucket]) {
    const std::size_t offset = plan.offset_of(piece) - plan.buckets[bucket].offset;
    block_sums_of_squares(gradients.slice(offset, piece.count), gradients_.blocks(piece));
  }
}

/// Tensor by tensor in model order: it does not depend on how buckets are cut.
double Update::gradient_norm() const noexcept {
  double sum = 0.0;
  for (std::size_t parameter = 0; parameter < not_finite_.size(); ++parameter) sum += gradients_.of(parameter);
  return std::sqrt(sum);
}

std::size_t Update::largest_gradient() const noexcept {
  std::size_t largest = 0;
  for (std::size_t parameter = 1; parameter < not_finite_.size(); ++parameter)
    if (gradients_.of(parameter) > gradients_.of(largest)) largest = parameter;
  return largest;
}

UpdateStep Update::step_for(const Part& part, const UpdateRequest& request) {
  return {.learning_rate = request.learning_rate * part.settings.learning_rate_factor,
          .weight_decay = part.settings.weight_decay,
          .adapts = part.settings.adapts,
          .number = request.number};
}

/// All of the update, or what comes before norms are known.
void Update::begin_update(Exchange& exchange, std::size_t bucket, const UpdateRequest& request, double factor) {
  if (factor != 1.0) scale(buckets_.own_gradients(bucket), factor);
  if (clip_value_ > 0.0) clamp(buckets_.own_gradients(bucket), clip_value_);
  if (!optimizer_.needs_norms()) return finish_update(exchange, bucket, request);
  for (const Part& part : parts_[bucket])
    optimizer_.prepare(
        part.memory, step_for(part, request),
        {.parameter_squares = weights_.blocks(*part.piece), .direction_squares = directions_.blocks(*part.piece)});
}

void Update::finish_update(Exchange& exchange, std::size_t bucket, const UpdateRequest& request) {
  const TraceSpan span("update");
  for (const Part& part : parts_[bucket]) {
    UpdateStep step = step_for(part, request);
    if (part.piece) {
      step.parameter_square = weights_.of(part.piece->parameter);
      step.direction_square = directions_.of(part.piece->parameter);
    }
    optimizer_.update(part.memory, step);
  }
  if (ema_decay_ > 0.0) {
    if (request.number == 1)
      begin_average(bucket);
    else
      update_average(average(bucket), buckets_.own_parameters(bucket), ema_decay_);
  }
  exchange.updated(bucket);
}

void Update::begin_average(std::size_t bucket) noexcept {
  const Buffer parameters = buckets_.own_parameters(bucket);
  std::memcpy(average(bucket).data, parameters.data, parameters.size_bytes());
}

void Update::begin_average() noexcept {
  if (ema_decay_ == 0.0) return;
  for (std::size_t b = 0; b < buckets_.size(); ++b) begin_average(b);
}

void Update::swap_average() noexcept {
  for (std::size_t b = 0; b < buckets_.size(); ++b) {
    const Buffer parameters = buckets_.own_parameters(b);
    auto* const bytes = static_cast<std::byte*>(parameters.data);
    std::swap_ranges(bytes, bytes + parameters.size_bytes(), static_cast<std::byte*>(average(b).data));
  }
}

}  // namespace tutti::trainer
