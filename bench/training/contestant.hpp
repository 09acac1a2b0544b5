// One of those that take turns: a replica with its configuration and its own communicator.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <tutti/collectives/communicator.hpp>
#include <tutti/trainer/config/config.hpp>
#include <tutti/trainer/run/step_loop.hpp>

#include "bench/training/synthetic.hpp"

namespace tutti::bench {

/// What a block of steps took, the same on all ranks.
struct BlockTime {
  double step_seconds = 0.0;       ///< per step, of the rank that was the last to finish the block
  double processor_seconds = 0.0;  ///< of processors, per step and rank
  double exposed_seconds = 0.0;    ///< inside communication, per step and rank
  double payload_bytes = 0.0;      ///< that a rank hands to collectives, per step
};

/// Whether ranks exchange anything.
enum class Exchanges : std::uint8_t {
  yes,
  no,  ///< every rank trains by itself, on a communicator of its own, its part of the same global batches
};

class Contestant {
 public:
  /// Collective over `world`, with the same arguments on all ranks; `world` outlives it.
  /// \throws trainer::AgreedError: what a StepLoop throws
  Contestant(const Communicator& world, std::string name, const trainer::Config& config, const SampleShape& shape,
             Exchanges exchanges);

  /// Collective over the world: `steps` steps after a barrier.
  BlockTime run(int steps);

  const std::string& name() const noexcept { return name_; }
  const trainer::Config& config() const noexcept { return config_; }
  std::uint64_t parameters() const;
  std::size_t bucket_count() const;
  std::size_t own_samples() const noexcept { return samples_count_; }
  int threads() const noexcept { return threads_; }

 private:
  const Communicator& world_;
  const std::string name_;
  const trainer::Config config_;
  const int threads_;
  const Communicator comm_;
  const std::size_t samples_count_;  // of this rank in a step
  SyntheticSamples samples_;
  std::unique_ptr<trainer::StepLoop> loop_;
  std::uint64_t step_ = 0;
};

}  // namespace tutti::bench
