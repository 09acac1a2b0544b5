// Steps without a data set and without a run folder, for the tests: a few ranks, of which the first P train together.
#pragma once

#include <gtest/gtest.h>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include <tutti/collectives/communicator.hpp>
#include <tutti/kernels/buffer.hpp>
#include <tutti/trainer/config/config.hpp>
#include <tutti/trainer/memory/parameters.hpp>
#include <tutti/trainer/run/step_loop.hpp>

#include "tests/trainer/samples.hpp"

namespace tutti::trainer::test {

inline constexpr std::uint64_t kBatch = 7;
inline constexpr std::uint64_t kStepsPerEpoch = 3;

/// This rank's part of the global batch of a step, as a loader would give it.
struct Part {
  std::vector<float> images;
  std::vector<std::int64_t> labels;
  std::vector<std::uint64_t> ids;

  Part(std::uint64_t step, int rank, int ranks) : Part(step * kBatch, kBatch, rank, ranks) {}

  /// Of the samples [first, first + count). With fewer samples than ranks, the last ranks have none.
  Part(std::uint64_t first, std::uint64_t count, int rank, int ranks, std::size_t pixels = kPixels) {
    for (std::uint64_t i = 0; i < count; ++i) {
      if (static_cast<int>(i * static_cast<std::uint64_t>(ranks) / count) != rank) continue;
      const std::uint64_t id = first + i;
      for (std::size_t pixel = 0; pixel < pixels; ++pixel) images.push_back(pixel_of(id, pixel));
      labels.push_back(label_of(id));
      ids.push_back(id);
    }
  }

  Samples samples() const { return {.inputs = ConstBuffer(std::span(images)), .labels = labels, .ids = ids}; }
  StepInput input(std::uint64_t step, std::uint64_t global_samples = kBatch) const {
    return {.step = step, .samples = samples(), .ids = ids, .global_samples = global_samples};
  }
};

class StepLoopTest : public testing::Test {
 protected:
  StepLoopTest() {
    set_arithmetic_threads(1);
    config_.model = {.name = "mlp", .hidden = 9, .channels = 1, .stride = 1, .dtype = "f64"};
    config_.train.batch_size = kBatch;
    config_.optimizer.nesterov = true;
    config_.exchange.bucket_bytes = 800;
  }

  /// With initial parameters, the same on every rank.
  StepLoop& make(const Communicator& comm) {
    loop_.emplace(comm, config_, TaskShape{.input = input_, .classes = kClasses, .steps_per_epoch = kStepsPerEpoch});
    for (std::size_t i = 0; i < loop_->parameters().size(); ++i)
      initialise(loop_->parameters()[i], i, 1, loop_->buckets().parameter(i));
    return *loop_;
  }

  StepReport step(const Communicator& comm, std::uint64_t number) {
    const Part part(number, comm.rank(), comm.size());
    return loop_->train_step(part.input(number));
  }

  std::vector<double> parameters() const {
    std::vector<double> all;
    for (std::size_t i = 0; i < loop_->parameters().size(); ++i) {
      const Buffer parameter = loop_->buckets().parameter(i);
      const auto* values = static_cast<const double*>(parameter.data);
      all.insert(all.end(), values, values + parameter.count);
    }
    return all;
  }

  double value(Buffer buffer, std::size_t i) const { return static_cast<const double*>(buffer.data)[i]; }

  const Communicator world_{MPI_COMM_WORLD, {.timeout = std::chrono::seconds(30)}};
  Config config_;
  std::vector<std::size_t> input_{kPixels};
  std::optional<StepLoop> loop_;
};

}  // namespace tutti::trainer::test
