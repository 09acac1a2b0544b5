#include <tutti/trainer/run/shards.hpp>

#include <cstddef>
#include <cstdint>
#include <span>
#include <utility>

namespace tutti::trainer {

namespace {

/// Samples [first, first + count) of `all`, which are `of`.
Samples part(const Samples& all, std::size_t first, std::size_t count, std::size_t of) {
  const auto cut = [&](ConstBuffer values) {
    const std::size_t each = values.count / of;
    return values.slice(first * each, count * each);
  };
  Samples samples{.inputs = cut(all.inputs), .labels = {}, .targets = {}, .further = {}, .ids = {}, .draw = all.draw};
  if (!all.labels.empty()) samples.labels = all.labels.subspan(first, count);
  if (all.targets.count != 0) samples.targets = cut(all.targets);
  for (const ConstBuffer& further : all.further) samples.further.push_back(cut(further));
  if (!all.ids.empty()) samples.ids = all.ids.subspan(first, count);
  return samples;
}

}  // namespace

void StepShards::begin(std::span<const std::uint64_t> batches, io::Range own, int shards) {
  batches_.assign(batches.begin(), batches.end());
  own_ = own;
  shards_ = shards;
  kept_.clear();
  kept_.reserve(batches.size());  // samples are views of what is kept
  samples_.assign(own.size() * batches.size(), {});
}

void StepShards::add(const LabelledData& data, io::Batch batch) {
  const std::size_t number = kept_.size();
  Kept& kept = kept_.emplace_back(Kept{.batch = std::move(batch), .labels = {}});
  const std::size_t all = kept.batch.ids.size();
  if (all == 0) return;
  const Samples samples = data.samples(kept.batch, kept.labels);
  std::size_t first = 0;
  for (std::uint64_t shard = own_.first; shard < own_.last; ++shard) {
    const std::size_t count = shard_samples(batches_[number], shard, shards_);
    samples_[(shard - own_.first) * batches_.size() + number] = part(samples, first, count, all);
    first += count;
  }
}

}  // namespace tutti::trainer
