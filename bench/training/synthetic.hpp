// Samples that are drawn, in place of a data set: a step is measured without reading.
#pragma once

#include <cstddef>
#include <cstdint>
#include <random>
#include <vector>

#include <tutti/trainer/models/options.hpp>
#include <tutti/trainer/network/network.hpp>
#include <tutti/trainer/run/step_loop.hpp>

namespace tutti::bench {

/// What a sample is like: its extents, and how many classes or numbers belong to it.
struct SampleShape {
  std::vector<std::size_t> input;
  std::size_t outputs = 0;
};

/// One rank's samples, of bytes. Inputs come round after some batches; labels and numbers are drawn anew for each
/// batch, so that nothing can be learned by heart: gradients stay as large as they are at the start of a run, and no
/// arithmetic on denormal numbers, which is slow, gets into the figures.
class SyntheticSamples {
 public:
  SyntheticSamples(const trainer::ModelOptions& model, SampleShape shape, std::size_t samples, std::uint64_t seed);

  trainer::TaskShape task() const;

  /// The next batch, a view of this object's memory that holds until the next call.
  trainer::Samples next();

 private:
  trainer::TargetKind kind_;
  SampleShape shape_;
  std::size_t samples_;
  std::mt19937_64 random_;
  std::vector<std::vector<std::uint8_t>> inputs_;
  std::size_t turn_ = 0;
  std::vector<std::int64_t> labels_;
  std::vector<float> numbers_;
  std::vector<std::uint64_t> ids_;
};

}  // namespace tutti::bench
