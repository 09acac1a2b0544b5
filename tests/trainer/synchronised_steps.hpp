// Models whose batch normalisation is over all ranks: P ranks against one, for the tests.
#pragma once

#include <gtest/gtest.h>

#include <cstddef>
#include <cstdint>
#include <vector>

#include <tutti/trainer/run/replicas.hpp>

#include "tests/trainer/step_loops.hpp"

namespace tutti::trainer::test {

class SynchronisedSteps : public StepLoopTest {
 protected:
  SynchronisedSteps() {
    config_.model.depth = 2;
    config_.model.batch_norm = true;
    config_.model.batch_norm_statistics = "synchronised";
  }

  std::size_t pixels() const {
    std::size_t count = 1;
    for (const std::size_t extent : input_) count *= extent;
    return count;
  }

  /// A step of the samples from `first` on, one micro-batch after the other.
  StepReport step_of(const Communicator& comm, std::uint64_t number, std::uint64_t first,
                     const std::vector<std::uint64_t>& micro_batches) {
    std::uint64_t all = 0;
    for (const std::uint64_t count : micro_batches) all += count;
    for (std::size_t i = 0;; ++i) {
      const Part part(first, micro_batches[i], comm.rank(), comm.size(), pixels());
      if (i + 1 == micro_batches.size()) return loop_->train_step(part.input(number, all));
      loop_->accumulate(part.samples(), all);
      first += micro_batches[i];
    }
  }

  std::vector<double> statistics() {
    std::vector<double> all;
    for (const NamedBuffer& buffer : loop_->network().buffers()) {
      const auto* values = static_cast<const double*>(buffer.values.data);
      all.insert(all.end(), values, values + buffer.values.count);
    }
    return all;
  }

  /// Losses, parameters and statistics of all ranks against those of one.
  void expect_the_steps_of_one_rank(const std::vector<std::vector<std::uint64_t>>& steps) {
    const auto train = [&](const Communicator& comm) {
      std::vector<double> results;
      std::uint64_t first = 0;
      for (std::size_t s = 0; s < steps.size(); ++s) {
        results.push_back(step_of(comm, s, first, steps[s]).loss);
        for (const std::uint64_t count : steps[s]) first += count;
      }
      for (const auto& more : {parameters(), statistics()}) results.insert(results.end(), more.begin(), more.end());
      loop_.reset();
      return results;
    };
    std::vector<double> expected;
    if (const auto alone = world_.split(world_.rank() == 0 ? 0 : -1)) {
      make(*alone);
      expected = train(*alone);
    }
    make(world_);
    const std::vector<double> together = train(world_);
    if (world_.rank() != 0) return;
    ASSERT_EQ(together.size(), expected.size());
    for (std::size_t i = 0; i < together.size(); ++i) ASSERT_NEAR(together[i], expected[i], 1e-9) << i;
  }
};

}  // namespace tutti::trainer::test
