// The compressed allreduces of the buckets, as a codec for each parameter asks for them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include <tutti/collectives/communicator.hpp>
#include <tutti/compression/compressed_allreduce.hpp>
#include <tutti/compression/prediction.hpp>
#include <tutti/trainer/exchange/exchange.hpp>
#include <tutti/trainer/memory/buckets.hpp>
#include <tutti/trainer/memory/parameters.hpp>

namespace tutti::trainer {

/// The allreduces of a bucket: one for each kind of settings among its parameters.
std::vector<ExchangeCall> calls_of(const BucketPlan& plan, std::size_t bucket,
                                   std::span<const ParameterInfo> parameters, std::span<const CodecSettings> codecs);

/// Of each bucket, an operation for each kind of settings among its parameters.
class CompressedOperations {
 public:
  /// Takes elements of a parameter's gradient that were held back and are to be sent otherwise.
  using Take = std::function<void(std::size_t parameter, std::size_t first, std::span<const float> values)>;

  /// What is passed outlives it.
  CompressedOperations(const Communicator& comm, const Buckets& buckets, std::span<const ParameterInfo> parameters)
      : comm_(comm), buckets_(buckets), parameters_(parameters), operations_(buckets.size()) {}

  /// From now on parameters travel by these codecs. What was kept for those that have another one goes to `take`.
  void choose(std::span<const CodecSettings> codecs, const Take& take);

  /// None of a bucket whose gradients all travel as they are.
  std::span<CompressedAllreduce> of(std::size_t bucket) noexcept { return operations_[bucket]; }

  std::vector<ExchangeState> state();

  /// What the last step did to this rank's contribution, by parameter.
  std::vector<CompressionFacts> facts() const;

 private:
  std::vector<CompressedAllreduce> operations_of(std::size_t bucket, std::span<const CodecSettings> codecs) const;

  const Communicator& comm_;
  const Buckets& buckets_;
  const std::span<const ParameterInfo> parameters_;
  std::vector<CodecSettings> codecs_;  // by parameter; empty at first
  std::vector<std::vector<CompressedAllreduce>> operations_;
};

}  // namespace tutti::trainer
