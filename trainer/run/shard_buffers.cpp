#include <tutti/trainer/run/shard_buffers.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <numeric>
#include <span>
#include <utility>
#include <vector>

#include <tutti/collectives/collectives.hpp>

namespace tutti::trainer {

namespace {

std::vector<std::vector<std::byte>> copies_of(const std::vector<NamedBuffer>& buffers) {
  std::vector<std::vector<std::byte>> copies;
  for (const NamedBuffer& buffer : buffers) {
    const auto* bytes = static_cast<const std::byte*>(buffer.values.data);
    copies.emplace_back(bytes, bytes + buffer.values.size_bytes());
  }
  return copies;
}

void put_back(const std::vector<std::vector<std::byte>>& copies, const std::vector<NamedBuffer>& buffers) noexcept {
  for (std::size_t i = 0; i < copies.size(); ++i)
    std::copy(copies[i].begin(), copies[i].end(), static_cast<std::byte*>(buffers[i].values.data));
}

}  // namespace

ShardBuffers::ShardBuffers(std::vector<NamedBuffer> buffers) {
  for (NamedBuffer& buffer : buffers) {
    const bool moves = buffer.values.dtype == DType::f32;
    if (moves) values_ += buffer.values.count;
    (moves ? buffers_ : others_).push_back(std::move(buffer));
  }
}

void ShardBuffers::begin_step(std::size_t shards) {
  before_ = copies_of(buffers_);
  others_before_ = copies_of(others_);
  others_first_ = others_before_;
  after_.assign(shards * values_, 0.0F);
}

void ShardBuffers::begin_shard() noexcept {
  put_back(before_, buffers_);
  put_back(others_before_, others_);
}

void ShardBuffers::end_shard(std::size_t shard) noexcept {
  float* to = after_.data() + shard * values_;
  for (const NamedBuffer& buffer : buffers_) {
    std::memcpy(to, buffer.values.data, buffer.values.size_bytes());
    to += buffer.values.count;
  }
  if (shard != 0) return;
  for (std::size_t i = 0; i < others_.size(); ++i)
    std::memcpy(others_first_[i].data(), others_[i].values.data, others_[i].values.size_bytes());
}

void ShardBuffers::end_step(const Communicator& comm, std::span<const std::size_t> counts,
                            std::span<const std::uint64_t> samples) {
  put_back(others_first_, others_);
  for (const NamedBuffer& buffer : others_) broadcast(comm, buffer.values, 0);
  if (values_ == 0) return;
  std::vector<std::size_t> lengths;
  for (const std::size_t count : counts) lengths.push_back(count * values_);
  std::vector<float> all(samples.size() * values_);
  all_gather_v(comm, ConstBuffer(std::span<const float>(after_)), Buffer(std::span(all)), lengths);
  const auto total = static_cast<double>(std::accumulate(samples.begin(), samples.end(), std::uint64_t{0}));
  std::vector<double> mean(values_);
  for (std::size_t shard = 0; shard < samples.size(); ++shard) {
    if (samples[shard] == 0) continue;
    const double weight = static_cast<double>(samples[shard]) / total;
    for (std::size_t i = 0; i < values_; ++i) mean[i] += weight * static_cast<double>(all[shard * values_ + i]);
  }
  const double* from = mean.data();
  for (const NamedBuffer& buffer : buffers_)
    for (std::size_t i = 0; i < buffer.values.count; ++i)
      static_cast<float*>(buffer.values.data)[i] = static_cast<float>(*from++);
}

}  // namespace tutti::trainer
