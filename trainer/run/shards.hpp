// Shards: the parts of fixed shape that a batch is cut into with numerics.reproducible = "ranks". A rank computes its
// shards one after another, each by itself, so that a shard has the same gradient whoever computes it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include <tutti/io/loader.hpp>
#include <tutti/io/sampler.hpp>
#include <tutti/trainer/network/network.hpp>
#include <tutti/trainer/run/data.hpp>

namespace tutti::trainer {

/// The shards of a rank of each batch.
inline io::Range shards_of(int rank, int ranks, int shards) noexcept {
  return io::part_of({0, static_cast<std::uint64_t>(shards)}, rank, ranks);
}

/// Samples of shard `shard` of a batch of `batch` samples.
inline std::uint64_t shard_samples(std::uint64_t batch, std::uint64_t shard, int shards) noexcept {
  return io::part_of({0, batch}, static_cast<int>(shard), shards).size();
}

/// What a rank has in memory of one step, whose batches it keeps: a step may have to be repeated.
class StepShards {
 public:
  /// A new step of `batches` global samples each; of them this rank has `own`.
  void begin(std::span<const std::uint64_t> batches, io::Range own, int shards);

  /// The next batch, as the loader gives it.
  void add(const LabelledData& data, io::Batch batch);

  /// By shard, within it by batch; complete after as many add() as there are batches.
  std::span<const Samples> samples() const noexcept { return samples_; }

 private:
  struct Kept {
    io::Batch batch;
    std::vector<std::int64_t> labels;
  };
  std::vector<std::uint64_t> batches_;
  io::Range own_;
  int shards_ = 1;
  std::vector<Kept> kept_;
  std::vector<Samples> samples_;
};

}  // namespace tutti::trainer
