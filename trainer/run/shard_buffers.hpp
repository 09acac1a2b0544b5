// Buffers of a model that training changes, such as running statistics, moved by shards instead of ranks.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include <tutti/collectives/communicator.hpp>
#include <tutti/trainer/network/network.hpp>

namespace tutti::trainer {

/// In a step every shard begins with the buffers as they were before it. Afterwards those of f32 become the mean of
/// what the shards made of them, weighted by samples and added up in the order of shards; so running statistics move
/// once a step, by the mean of the statistics of its shards. Others, such as counts, become those of the first shard.
class ShardBuffers {
 public:
  explicit ShardBuffers(std::vector<NamedBuffer> buffers);

  /// A step in which this rank computes `shards`.
  void begin_step(std::size_t shards);
  void begin_shard() noexcept;
  void end_shard(std::size_t shard) noexcept;

  /// Collective. `counts`: the shards of each rank; `samples`: of each shard, in rank order.
  void end_step(const Communicator& comm, std::span<const std::size_t> counts, std::span<const std::uint64_t> samples);

  /// Of this rank, handed to collectives by an end_step(): what its shards made.
  std::uint64_t payload_bytes() const noexcept { return after_.size() * sizeof(float); }

 private:
  std::vector<NamedBuffer> buffers_;
  std::vector<NamedBuffer> others_;  // not of f32
  std::size_t values_ = 0;           // of all buffers of f32
  std::vector<std::vector<std::byte>> before_, others_before_, others_first_;
  std::vector<float> after_;  // by shard of this rank
};

}  // namespace tutti::trainer
