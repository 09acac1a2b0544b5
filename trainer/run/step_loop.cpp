// A step:
//
//   [micro-batches but the last: forward -> backward, whose gradients stay here] ->
//   forward -> loss starts to add up over ranks -> backward, while complete buckets start to be exchanged
//           -> loss known on all ranks: stop if it is not finite -> each bucket arrives and its parameters are updated
#include <tutti/trainer/run/step_loop.hpp>

#include <fmt/core.h>

#include <algorithm>
#include <cmath>
#include <exception>
#include <new>

#include <tutti/allreduce/allreduce.hpp>
#include <tutti/collectives/collectives.hpp>
#include <tutti/compression/codecs.hpp>
#include <tutti/trainer/exchange/bucket_size.hpp>
#include <tutti/trainer/exchange/compression_policy.hpp>
#include <tutti/trainer/run/laps.hpp>
#include <tutti/trainer/run/update.hpp>

namespace tutti::trainer {

StepLoop::StepLoop(const Communicator& comm, const Config& config, const TaskShape& task)
    : comm_(comm),
      config_(config),
      steps_per_epoch_(task.steps_per_epoch),
      learning_rate_(agree(comm,
                           [&] {
                             return std::make_unique<LearningRate>(
                                 config.optimizer.learning_rate, config.schedule,
                                 config.train.batch_size * config.train.accumulate,
                                 RunLength{.steps_per_epoch = task.steps_per_epoch, .steps = task.steps});
                           })),
      statistics_(config.model.batch_norm_statistics == "local" ? nullptr
                                                                : std::make_unique<CommunicatorStatistics>(comm)),
      network_(agree(comm,
                     [&] {
                       const auto& data = config.data;
                       const InputScaling scaling{.scale = data.scale, .mean = data.mean, .std = data.std};
                       return std::make_unique<Network>(config.model, scaling,
                                                        task.of_network(static_cast<std::uint64_t>(config.train.seed)),
                                                        statistics_.get());
                     })),
      optimizer_(agree(comm, [&] { return make_optimizer(config.optimizer); })),
      buckets_(make_buckets()),
      exchange_(agree(comm,
                      [&]() -> std::unique_ptr<Exchange> {
                        const ExchangeParts parts{comm, *buckets_, parameters(), config.exchange};
                        if (!config.numerics.ignores_ranks()) return make_exchange(parts);
                        return std::make_unique<ShardSums>(
                            parts, static_cast<std::uint64_t>(config.numerics.shards * config.train.accumulate));
                      })),
      shard_sums_(config.numerics.ignores_ranks() ? static_cast<ShardSums*>(exchange_.get()) : nullptr),
      update_(agree(
          comm,
          [&] { return std::make_unique<Update>(*optimizer_, config.optimizer, network_->parameters(), *buckets_); })),
      loss_scale_(agree(comm, [&] { return LossScale(config.numerics.loss_scale); })),
      shard_buffers_(network_->buffers()) {
  network_->bind(*buckets_, [this](std::size_t parameter, std::size_t first, std::size_t count) {
    if (!announces_) return;
    exchange_->gradient_ready(parameter, first, count);
    loss_operation_.test();
  });
}

/// Parameters lie in the order in which rank 0 finds their gradients to come.
std::unique_ptr<Buckets> StepLoop::make_buckets() {
  const DType dtype = dtype_from_name(config_.model.dtype);
  std::size_t elements = 0;
  for (const ParameterInfo& parameter : parameters()) elements += parameter.count();
  auto bucket_bytes = static_cast<std::size_t>(config_.exchange.bucket_bytes);
  std::vector<bool> whole;
  auto buckets = agree(comm_, [&] {
    whole = whole_parameters(parameters(), config_.exchange);
    if (bucket_bytes == 0) bucket_bytes = bucket_bytes_for(shape_of(comm_), elements * size_of(dtype));
    try {
      return std::make_unique<Buckets>(comm_, plan_buckets(parameters(), dtype, bucket_bytes, {}, whole), dtype,
                                       update_slots(*optimizer_, config_.optimizer),
                                       ownership_of(config_.exchange, comm_));
    } catch (const std::bad_alloc& error) {
      throw Error(fmt::format("not enough memory for {} ({})", memory_text(), error.what()));
    }
  });
  std::vector<std::uint64_t> order(parameters().size());
  agree_at_root(comm_, [&] {
    network_->bind(*buckets, {});
    const auto found = network_->arrival_order();
    std::copy(found.begin(), found.end(), order.begin());
  });
  broadcast(comm_, order, 0);
  agree(comm_, [&] {
    const std::vector<std::size_t> places(order.begin(), order.end());
    buckets->arrange(comm_, plan_buckets(parameters(), dtype, bucket_bytes, places, whole));
  });
  return buckets;
}

std::string StepLoop::memory_text() const {
  std::size_t elements = 0;
  for (const ParameterInfo& parameter : parameters()) elements += parameter.count();
  return fmt::format(
      "model {} of {} parameters of {}, their gradients and the optimizer's slots, and batches of {} samples",
      model_title(config_.model), elements, config_.model.dtype, config_.train.batch_size);
}

void StepLoop::keep_failure() {
  try {
    throw;
  } catch (const std::bad_alloc&) {
    failure_ = fmt::format("out of memory, with {}", memory_text());
  } catch (const std::exception& error) {
    failure_ = error.what();
  }
}

void StepLoop::begin_step() {
  if (in_step_) return;
  in_step_ = true;
  local_loss_ = 0.0;
  network_->begin_gradients();
  phases_ = {};
  statistics_seconds_ = 0.0;
}

void StepLoop::go_on_at(std::uint64_t step) {
  const std::uint64_t made = step - loss_scale_.state().skipped;
  if (made > 0) exchange_->set_learning_rate(learning_rate_->rate(made - 1));
  exchange_->prepare(step);
}

void StepLoop::accumulate(const Samples& samples, std::uint64_t global_samples) {
  begin_step();
  attempt([&] {
    Laps laps;
    local_loss_ += network_->forward(samples);
    phases_.forward += laps.next() - taken_statistics_seconds();
    network_->backward(loss_scale_.scale() / static_cast<double>(global_samples));
    phases_.backward += laps.next() - taken_statistics_seconds();
  });
  if (failure_) network_->skip();
}

/// Losses and gradients are sums over a rank's samples, divided by the samples of the step, which all ranks know by
/// arithmetic: added up over micro-batches and ranks they are the mean.
StepReport StepLoop::train_step(const StepInput& input, const std::function<bool()>& stop) {
  begin_step();
  in_step_ = false;
  exchange_->set_learning_rate(learning_rate_->rate(input.step - loss_scale_.state().skipped));
  exchange_->begin(input.step);
  Laps laps;
  attempt([&] { local_loss_ += network_->forward(input.samples); });
  if (failure_) network_->skip();
  phases_.forward += laps.next() - taken_statistics_seconds();
  const bool asked_to_stop = stop && stop();
  sums_ = {local_loss_, failure_ ? 1.0 : 0.0, asked_to_stop ? 1.0 : 0.0};
  loss_operation_ = iallreduce(comm_, std::span<double>(sums_), ReduceOp::sum);
  const double weight = 1.0 / static_cast<double>(input.global_samples);
  laps.next();
  announces_ = true;
  if (!failure_) network_->backward(loss_scale_.scale() * weight);
  announces_ = false;
  network_->end_gradients();
  const double exposed_in_backward = exchange_->exposed_seconds();
  phases_.backward += laps.next() - exposed_in_backward - taken_statistics_seconds();
  loss_operation_.wait();
  const double loss_exposed = laps.next();
  if (sums_[1] != 0.0) {
    exchange_->discard();
    settle_failures();
  }
  const double loss = sums_[0] * weight;
  if (!std::isfinite(loss)) stop_at_loss(input, local_loss_, loss);
  StepReport report{.step = input.step + 1,
                    .epoch = input.step / steps_per_epoch_ + 1,
                    .loss = loss,
                    .samples = input.global_samples,
                    .ids = input.ids,
                    .stop = sums_[2] != 0.0};
  update(input, report);
  phases_.update = laps.next() - (exchange_->exposed_seconds() - exposed_in_backward);
  report.exposed_seconds = exchange_->exposed_seconds() + loss_exposed + statistics_seconds_;
  report.phases = phases_;
  report.payload_bytes = exchange_->payload_bytes() + sums_.size() * sizeof(double) +
                         (statistics_ ? statistics_->take_payload_bytes() : 0);
  return report;
}

/// Of this pass, in the statistics of batch normalisation over ranks, which is communication.
double StepLoop::taken_statistics_seconds() {
  const double seconds = statistics_ ? statistics_->take_seconds() : 0.0;
  statistics_seconds_ += seconds;
  return seconds;
}

/// Schedule and optimizer count the steps that were made: one that is skipped is none for them.
void StepLoop::update(const StepInput& input, StepReport& report) {
  const std::uint64_t made = input.step - loss_scale_.state().skipped;
  report.learning_rate = learning_rate_->rate(made);
  if (loss_scale_.is_on()) report.loss_scale = loss_scale_.scale();
  const UpdateOutcome outcome = update_->run(*exchange_, {.learning_rate = report.learning_rate,
                                                          .number = made + 1,
                                                          .norm = config_.run.log_gradient_norm,
                                                          .divisor = loss_scale_.scale(),
                                                          .all_or_nothing = loss_scale_.is_dynamic()});
  report.gradient_norm = outcome.gradient_norm;
  if (!outcome.not_finite) {
    loss_scale_.step_was_made();
  } else if (!outcome.norm_overflows && loss_scale_.skip()) {
    exchange_->discard();
    if (made == 0) update_->begin_average();
  } else {
    stop_at_gradient(input, outcome);
  }
  report.skipped_steps = loss_scale_.state().skipped;
}

void StepLoop::swap_average() {
  update_->swap_average();
  for (std::size_t b = 0; b < buckets_->size(); ++b) exchange_->updated(b);
  exchange_->finish();
}

std::string StepLoop::step_text(std::uint64_t step) const {
  return fmt::format("step {} (batch {} of epoch {})", step + 1, step % steps_per_epoch_ + 1,
                     step / steps_per_epoch_ + 1);
}

/// All ranks come here in the same step, because all have the same sums.
void StepLoop::stop_at_gradient(const StepInput& input, const UpdateOutcome& outcome) {
  exchange_->discard();
  std::string cause;
  if (codec_settings(config_.exchange.compression).codec == "f16") {
    cause = "; exchange.compression = \"f16\" holds no value beyond 65504: bf16 does";
    if (loss_scale_.scale() != 1.0)
      cause += fmt::format("; it was multiplied by {}, a loss scale", loss_scale_.scale());
  }
  const char* what = outcome.norm_overflows ? "norm of the gradient" : "gradient";
  throw NotFiniteError(fmt::format("the {} of {} is not finite at {}{}", what, parameters()[*outcome.not_finite].name,
                                   step_text(input.step), cause));
}

/// All ranks come here in the same step, because all have the same sum. Nothing has been updated.
void StepLoop::stop_at_loss(const StepInput& input, double local_loss, double loss) {
  exchange_->discard();
  const auto& ids = input.ids;
  const auto [low, high] = std::minmax_element(ids.begin(), ids.end());
  const std::array<std::uint64_t, 4> mine{std::isfinite(local_loss) ? 0U : 1U, ids.size(), ids.empty() ? 0 : *low,
                                          ids.empty() ? 0 : *high};
  std::vector<std::uint64_t> all(mine.size() * static_cast<std::size_t>(comm_.size()));
  all_gather(comm_, std::span<const std::uint64_t>(mine), std::span<std::uint64_t>(all));
  std::string where;
  for (std::size_t rank = 0; rank * mine.size() < all.size(); ++rank) {
    const std::uint64_t* its = &all[rank * mine.size()];
    if (its[0] != 0) where += fmt::format("; on rank {}: {} samples, ids {} to {}", rank, its[1], its[2], its[3]);
  }
  if (where.empty()) where = "; in the sum over all ranks";
  throw NotFiniteError(fmt::format("the loss is {} at {}{}",
                                   std::isnan(loss) ? std::abs(loss) : loss,  // NaN has a sign, which says nothing
                                   step_text(input.step), where));
}

}  // namespace tutti::trainer
