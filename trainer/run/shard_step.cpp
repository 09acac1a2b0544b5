// A step of shards:
//
//   each shard: forward -> backward -> its gradient becomes integers, which are added to those of this rank
//   with the last shard: losses start to add up over ranks -> backward, while complete buckets start to be exchanged
//   all gradients fitted their scales? -> losses, in the order of shards -> update, as in step_loop.cpp
//   not all? -> everything once more, at the scales that they need
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <numeric>
#include <span>
#include <vector>

#include <tutti/allreduce/allreduce.hpp>
#include <tutti/io/sampler.hpp>
#include <tutti/trainer/exchange/shard_sums.hpp>
#include <tutti/trainer/run/laps.hpp>
#include <tutti/trainer/run/shards.hpp>
#include <tutti/trainer/run/step_loop.hpp>

namespace tutti::trainer {

/// sums_ becomes the losses of all shards of all ranks, each but those of this rank 0, and what follows them.
void StepLoop::compute_shards(const ShardsInput& input, bool asked_to_stop) {
  const std::uint64_t samples = std::accumulate(input.batches.begin(), input.batches.end(), std::uint64_t{0});
  const double weight = 1.0 / static_cast<double>(samples);
  const auto shards = static_cast<std::size_t>(config_.numerics.shards);
  const io::Range own = shards_of(comm_.rank(), comm_.size(), static_cast<int>(shards));
  const std::size_t first = own.first * input.batches.size();
  const std::size_t count = own.size() * input.batches.size();
  sums_.assign(shards * input.batches.size() + 2, 0.0);
  Laps laps;
  exchange_->begin(input.step);
  for (std::size_t i = 0; i < count; ++i) {
    const bool is_last = i + 1 == count;
    attempt([&] {
      shard_buffers_.begin_shard();
      network_->begin_gradients();
      sums_[first + i] = network_->forward(input.samples[i]);
      shard_buffers_.end_shard(i);
      phases_.forward += laps.next();
      if (is_last) return;
      network_->backward(weight);
      network_->end_gradients();
      phases_.backward += laps.next();
      shard_sums_->add();
      laps.next();
    });
  }
  local_loss_ = std::accumulate(sums_.begin(), sums_.end(), 0.0);
  sums_[sums_.size() - 2] = failure_ ? 1.0 : 0.0;
  sums_.back() = asked_to_stop ? 1.0 : 0.0;
  loss_operation_ = iallreduce(comm_, std::span<double>(sums_), ReduceOp::sum);
  const double exposed_before = exchange_->exposed_seconds();
  laps.next();
  announces_ = true;
  if (!failure_) network_->backward(weight);
  announces_ = false;
  network_->end_gradients();
  phases_.backward += laps.next() - (exchange_->exposed_seconds() - exposed_before);
  shard_sums_->end_shards();
}

StepReport StepLoop::train_shards(const ShardsInput& input, const std::function<bool()>& stop) {
  const std::uint64_t samples = std::accumulate(input.batches.begin(), input.batches.end(), std::uint64_t{0});
  const StepInput step{.step = input.step, .samples = {}, .ids = input.ids, .global_samples = samples};
  const bool asked_to_stop = stop && stop();
  const auto shards = static_cast<int>(config_.numerics.shards);
  shard_buffers_.begin_step(shards_of(comm_.rank(), comm_.size(), shards).size() * input.batches.size());
  StepReport report{
      .step = input.step + 1, .epoch = input.step / steps_per_epoch_ + 1, .samples = samples, .ids = input.ids};
  phases_ = {};
  for (;; ++report.repeats) {
    compute_shards(input, asked_to_stop);
    Laps laps;
    loss_operation_.wait();
    report.exposed_seconds += laps.next();
    report.payload_bytes += sums_.size() * sizeof(double);
    if (sums_[sums_.size() - 2] != 0.0) {
      exchange_->discard();
      settle_failures();
    }
    report.loss = std::accumulate(sums_.begin(), sums_.end() - 2, 0.0) / static_cast<double>(samples);
    if (!std::isfinite(report.loss)) stop_at_loss(step, local_loss_, report.loss);
    if (shard_sums_->settle(input.step)) break;
    if (const auto parameter = shard_sums_->not_finite())
      stop_at_gradient(step, {.not_finite = parameter, .norm_overflows = false, .gradient_norm = {}});
    exchange_->discard();
    report.exposed_seconds += exchange_->exposed_seconds();
    report.payload_bytes += exchange_->payload_bytes();
  }
  report.stop = sums_.back() != 0.0;
  Laps laps;
  end_shard_buffers(input);
  report.exposed_seconds += laps.next();
  const double exposed_before = exchange_->exposed_seconds();
  update(step, report);
  phases_.update = laps.next() - (exchange_->exposed_seconds() - exposed_before);
  report.exposed_seconds += exchange_->exposed_seconds();
  report.payload_bytes += exchange_->payload_bytes() + shard_buffers_.payload_bytes();
  report.phases = phases_;
  return report;
}

void StepLoop::end_shard_buffers(const ShardsInput& input) {
  const auto shards = static_cast<int>(config_.numerics.shards);
  std::vector<std::size_t> counts;
  counts.reserve(static_cast<std::size_t>(comm_.size()));
  for (int rank = 0; rank < comm_.size(); ++rank)
    counts.push_back(shards_of(rank, comm_.size(), shards).size() * input.batches.size());
  std::vector<std::uint64_t> sizes;
  for (int shard = 0; shard < shards; ++shard)
    for (const std::uint64_t batch : input.batches)
      sizes.push_back(shard_samples(batch, static_cast<std::uint64_t>(shard), shards));
  shard_buffers_.end_step(comm_, counts, sizes);
}

std::vector<NamedBuffer> StepLoop::scales() const {
  std::vector<NamedBuffer> named;
  if (shard_sums_ == nullptr) return named;
  for (std::size_t i = 0; i < parameters().size(); ++i) {
    const auto scales = shard_sums_->scales(i);
    named.push_back(
        {.name = parameters()[i].name, .shape = {static_cast<std::int64_t>(scales.size())}, .values = Buffer(scales)});
  }
  return named;
}

}  // namespace tutti::trainer
