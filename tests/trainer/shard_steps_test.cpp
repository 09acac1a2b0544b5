// Steps of shards on 8 ranks against a plain loop over shards, and what the integers cost in accuracy.
#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <chrono>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <limits>
#include <span>
#include <string>
#include <vector>

#include <tutti/allreduce/allreduce.hpp>
#include <tutti/collectives/collectives.hpp>
#include <tutti/io/sampler.hpp>
#include <tutti/trainer/exchange/shard_sums.hpp>
#include <tutti/trainer/memory/buckets.hpp>
#include <tutti/trainer/network/network.hpp>
#include <tutti/trainer/run/shard_buffers.hpp>
#include <tutti/trainer/run/shards.hpp>

#include "tests/trainer/step_loops.hpp"

namespace tutti::trainer::test {

namespace {

constexpr int kShards = 8;
constexpr std::size_t kBlock = 1024;

std::span<float> floats(Buffer buffer) { return {static_cast<float*>(buffer.data), buffer.count}; }

class ShardSteps : public StepLoopTest {
 protected:
  ShardSteps() {
    config_.model.dtype = "f32";
    config_.model.hidden = 40;  // 2,560 weights: three blocks
    config_.optimizer = {.learning_rate = 0.1, .momentum = 0.0};
    config_.train.batch_size = kBatch;
    config_.numerics = {.reproducible = "ranks", .shards = kShards};
  }

  /// Shards [first, last) of the batch of a step.
  static std::vector<Part> shards(std::uint64_t step, io::Range own) {
    std::vector<Part> parts;
    for (std::uint64_t shard = own.first; shard < own.last; ++shard) {
      const io::Range its = io::part_of({0, kBatch}, static_cast<int>(shard), kShards);
      parts.emplace_back(step * kBatch + its.first, its.size(), 0, 1);
    }
    return parts;
  }

  StepReport step_of_shards(const Communicator& comm, std::uint64_t step) {
    const auto own = shards(step, shards_of(comm.rank(), comm.size(), kShards));
    std::vector<Samples> samples;
    for (const Part& part : own) samples.push_back(part.samples());
    const std::vector<std::uint64_t> batches{kBatch};
    return loop_->train_shards({.step = step, .samples = samples, .batches = batches});
  }
};

/// The largest biased exponent of a block.
int exponent_of(std::span<const float> block) {
  int largest = 0;
  for (const float value : block)
    largest = std::max(largest, static_cast<int>(std::bit_cast<std::uint32_t>(value) >> 23 & 255U));
  return largest;
}

/// The gradients of shards, one after another, each by itself.
std::vector<std::vector<float>> gradients_of(Network& network, const Buckets& buckets, const std::vector<Part>& parts,
                                             std::size_t parameter) {
  std::vector<std::vector<float>> all;
  for (const Part& part : parts) {
    network.begin_gradients();
    network.forward(part.samples());
    network.backward(1.0 / kBatch);
    network.end_gradients();
    const auto values = floats(buckets.gradient(parameter));
    all.emplace_back(values.begin(), values.end());
  }
  return all;
}

// The level written out, with scales as shard_sums.cpp says: 2 bits above the largest value of a step, a block at least
// 1/4 of its tensor, falling by one bit every 32 steps. The first step sets them.
TEST_F(ShardSteps, ArePlainArithmetic) {
  make(world_);
  const auto& data = config_.data;
  Network network(config_.model, {.scale = data.scale, .mean = data.mean, .std = data.std},
                  {.input = {kPixels}, .classes = kClasses});
  const Buckets buckets(world_, plan_buckets(network.parameters(), DType::f32, 1000000), DType::f32, {});
  network.bind(buckets, {});
  const std::size_t count = network.parameters().size();
  std::vector<std::vector<int>> scales(count);
  for (std::size_t p = 0; p < count; ++p) {
    std::ranges::copy(floats(loop_->buckets().parameter(p)), floats(buckets.parameter(p)).begin());
    scales[p].resize((buckets.parameter(p).count + kBlock - 1) / kBlock);
  }
  for (std::uint64_t step = 0; step < 34; ++step) {
    step_of_shards(world_, step);
    if (world_.rank() != 0) continue;
    const auto parts = shards(step, {0, kShards});
    std::vector<std::vector<std::vector<float>>> all;
    for (std::size_t p = 0; p < count; ++p) all.push_back(gradients_of(network, buckets, parts, p));
    for (std::size_t p = 0; p < count; ++p) {
      const auto values = floats(buckets.parameter(p));
      std::vector<int> needed(scales[p].size());
      for (std::size_t b = 0; b < needed.size(); ++b)
        for (const auto& gradient : all[p])
          needed[b] = std::max(needed[b], exponent_of(std::span(gradient).subspan(
                                              b * kBlock, std::min(kBlock, values.size() - b * kBlock))));
      const int of_tensor = *std::ranges::max_element(needed);
      const auto follow = [&] {
        for (std::size_t b = 0; b < needed.size(); ++b)
          scales[p][b] = std::max(std::max(needed[b], of_tensor - 2) + 2, scales[p][b] - (step % 32 == 0 ? 1 : 0));
      };
      if (step == 0) follow();
      for (std::size_t i = 0; i < values.size(); ++i) {
        const int exponent = 31 - 3 + 126 - scales[p][i / kBlock];
        std::int64_t sum = 0;
        for (const auto& gradient : all[p]) sum += std::llrint(std::ldexp(static_cast<double>(gradient[i]), exponent));
        const auto gradient = static_cast<float>(std::ldexp(static_cast<double>(sum), -exponent));
        values[i] -= 0.1F * gradient;
      }
      follow();
      const auto got = floats(loop_->buckets().parameter(p));
      EXPECT_TRUE(std::ranges::equal(got, values)) << network.parameters()[p].name << " after step " << step + 1;
    }
  }
}

TEST_F(ShardSteps, AShardThatIsNotFiniteStopsAllRanksWithTheParameter) {
  config_.data.scale = 1e-3;
  make(world_);
  // Units of 1e-38 make class 0 certain, by weights of 1e38: the loss is some 40, gradients of the first layer are
  // about 1e38 times inputs of up to 255,000.
  const auto all = [&](std::size_t parameter) { return floats(loop_->buckets().parameter(parameter)); };
  std::ranges::fill(all(0), 0.0F);
  std::ranges::fill(all(1), 1e-38F);
  std::ranges::fill(all(2), 0.0F);
  std::ranges::fill(all(2).first(40), 1e38F);
  try {
    step_of_shards(world_, 0);
    ADD_FAILURE() << "no error";
  } catch (const NotFiniteError& error) {
    EXPECT_NE(std::string(error.what()).find("the gradient of hidden.weight is not finite at step 1"),
              std::string::npos)
        << error.what();
  }
}

// 11 shards on 8 ranks, of which the last have no samples: the mean of f32, the first shard's of others.
TEST_F(ShardSteps, BuffersMoveByTheMeanOfTheirShards) {
  constexpr int kMany = 11;
  std::vector<float> statistics{1.0F, -std::numeric_limits<float>::infinity(), 0.1F};
  std::vector<std::int64_t> number{5};
  ShardBuffers buffers({{.name = "s", .shape = {3}, .values = Buffer(std::span(statistics))},
                        {.name = "n", .shape = {1}, .values = Buffer(std::span(number))}});
  std::vector<std::uint64_t> samples;
  for (std::uint64_t shard = 0; shard < kMany; ++shard) samples.push_back(shard < 9 ? 3 - shard / 4 : 0);
  std::vector<std::size_t> counts;
  for (int rank = 0; rank < world_.size(); ++rank) counts.push_back(shards_of(rank, world_.size(), kMany).size());
  for (int step = 0; step < 2; ++step) {
    const float before = statistics[0];
    const io::Range own = shards_of(world_.rank(), world_.size(), kMany);
    buffers.begin_step(own.size());
    for (std::uint64_t shard = own.first; shard < own.last; ++shard) {
      buffers.begin_shard();
      EXPECT_EQ(statistics[0], before);
      EXPECT_EQ(number[0], 5 + step);
      statistics[0] = static_cast<float>(shard);
      number[0] += static_cast<std::int64_t>(shard) + 1;
      buffers.end_shard(shard - own.first);
    }
    buffers.end_step(world_, counts, samples);
    double sum = 0.0;
    double all = 0.0;
    for (std::size_t shard = 0; shard < samples.size(); ++shard) {
      sum += static_cast<double>(samples[shard] * shard);
      all += static_cast<double>(samples[shard]);
    }
    EXPECT_FLOAT_EQ(statistics[0], static_cast<float>(sum / all));
    EXPECT_EQ(statistics[1], -std::numeric_limits<float>::infinity()) << "constants stay";
    EXPECT_EQ(statistics[2], 0.1F) << "constants stay, bit by bit";
    EXPECT_EQ(number[0], 5 + step + 1);
  }
}

/// Relative to the f64 sum, over a tensor: largest and root mean square error.
struct Error {
  double largest = 0.0;
  double squares = 0.0;
  double norm = 0.0;
  void add(double value, double exact) {
    largest = std::max(largest, std::abs(value - exact));
    squares += (value - exact) * (value - exact);
    norm += exact * exact;
  }
  double relative() const { return std::sqrt(squares / norm); }
};

// Over the gradients of a model's shards, at the scales of training: sums by integers are as good as sums by f32, which
// is what README.md says with figures.
TEST_F(ShardSteps, SumsAreAsGoodAsThoseOfF32) {
  make(world_);
  for (std::uint64_t step = 0; step < 3; ++step) step_of_shards(world_, step);
  if (world_.rank() != 0) return;
  const Network& network = loop_->network();
  for (std::size_t p = 0; p < network.parameters().size(); ++p) {
    const auto parts = shards(3, {0, kShards});
    const auto all = gradients_of(loop_->network(), loop_->buckets(), parts, p);
    const auto scales = static_cast<const std::uint8_t*>(loop_->scales()[p].values.data);
    Error by_integers;
    Error by_f32;
    for (std::size_t i = 0; i < all[0].size(); ++i) {
      const int exponent = 31 - 3 + 126 - scales[i / kBlock];
      double exact = 0.0;
      float plain = 0.0F;
      std::int64_t sum = 0;
      for (const auto& gradient : all) {
        exact += static_cast<double>(gradient[i]);
        plain += gradient[i];
        sum += std::llrint(std::ldexp(static_cast<double>(gradient[i]), exponent));
      }
      by_integers.add(static_cast<float>(std::ldexp(static_cast<double>(sum), -exponent)), exact);
      by_f32.add(plain, exact);
    }
    RecordProperty(network.parameters()[p].name + ".integers", std::to_string(by_integers.relative()));
    std::printf("%-20s relative error: integers %.2e, f32 %.2e\n", network.parameters()[p].name.c_str(),
                by_integers.relative(), by_f32.relative());
    EXPECT_LT(by_integers.relative(), 2.0 * by_f32.relative() + 1e-7) << network.parameters()[p].name;
  }
}

}  // namespace

}  // namespace tutti::trainer::test
