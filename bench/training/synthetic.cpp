#include "bench/training/synthetic.hpp"

#include <span>
#include <utility>

#include <tutti/kernels/buffer.hpp>

namespace tutti::bench {

using trainer::TargetKind;

namespace {

constexpr std::size_t kBatches = 8;  // of inputs that are drawn

}  // namespace

SyntheticSamples::SyntheticSamples(const trainer::ModelOptions& model, SampleShape shape, std::size_t samples,
                                   std::uint64_t seed)
    : kind_(trainer::target_kind(model)),
      shape_(std::move(shape)),
      samples_(samples),
      random_(seed),
      inputs_(kBatches) {
  std::size_t elements = samples;
  for (const std::size_t extent : shape_.input) elements *= extent;
  for (auto& batch : inputs_) {
    batch.resize(elements);
    for (auto& value : batch) value = static_cast<std::uint8_t>(random_() >> 56U);
  }
  if (kind_ == TargetKind::labels) labels_.resize(samples);
  if (kind_ == TargetKind::numbers) numbers_.resize(samples * shape_.outputs);
  for (std::size_t i = 0; i < samples; ++i) ids_.push_back(i);
}

trainer::TaskShape SyntheticSamples::task() const {
  trainer::TaskShape task{.input = shape_.input};
  if (kind_ == TargetKind::labels) task.classes = shape_.outputs;
  if (kind_ == TargetKind::numbers) task.numbers = shape_.outputs;
  if (kind_ == TargetKind::next_byte) task.classes = 256;
  return task;
}

trainer::Samples SyntheticSamples::next() {
  for (auto& label : labels_) label = static_cast<std::int64_t>(random_() % shape_.outputs);
  for (auto& number : numbers_) number = static_cast<float>(random_() >> 40U) * 0x1p-24F;
  const auto& inputs = inputs_[turn_++ % inputs_.size()];
  trainer::Samples batch{.inputs = ConstBuffer(std::span(inputs)), .labels = labels_, .ids = ids_, .draw = turn_};
  if (kind_ == TargetKind::numbers) batch.targets = ConstBuffer(std::span<const float>(numbers_));
  return batch;
}

}  // namespace tutti::bench
