// What a rank sends of its contributions, and what it holds back.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include <tutti/compression/compressed_allreduce.hpp>
#include <tutti/compression/sparse/largest.hpp>
#include <tutti/compression/sparse/memory_plan.hpp>
#include <tutti/kernels/dtype.hpp>

namespace tutti::detail {

/// Elements that are sent, by rising number; elements of all parts are numbered one part after another.
struct Elements {
  std::span<std::uint32_t> indices;
  std::span<float> values;
};

/// Elements of `count` that a density means: at least one, if there are any. 7 of 100 are 0.07, though 0.07 x 100 is
/// more than 7 in floating point.
std::size_t elements_of(double density, std::size_t count) noexcept;

/// The density in a step: over `warmup` steps it falls exponentially to what is set.
double density_in(const CodecSettings& settings, std::uint64_t step) noexcept;

/// What rounding did to values.
struct Rounded {
  double lost = 0.0;            ///< sum of squares
  std::uint64_t saturated = 0;  ///< values beyond the largest of the type
};

/// Rounds finite values to what they travel as, to the largest of the type where they are beyond it. What is lost goes
/// to the residual of their elements, if there is one.
Rounded round_values(const Elements& elements, DType type, std::span<float> residual) noexcept;

class PartSelection {
 public:
  PartSelection(std::span<const TensorPart> parts, const CodecSettings& settings, std::size_t ranks, std::size_t rank);

  /// Elements of all parts, and of those the most that are sent in a call. Whether exactly so many are, always.
  std::size_t count() const noexcept { return count_; }
  std::size_t most() const noexcept { return most_; }
  bool sends_equally_many() const noexcept;

  void plan(MemoryPlan& memory);

  /// Selects from `data`, of all parts, in a step. `facts` are of the parts, and stay as they are without feedback.
  Elements select(std::span<float> data, std::uint64_t step, std::span<CompressionFacts> facts);

  /// What an owner selects of the sums of its slice.
  SelectionLimits limits_of_sums(const Contribution& from, std::uint64_t step) const;

  void add_state(std::vector<CompressionState>& all) const;

 private:
  std::size_t most_sampled(std::size_t count) const noexcept;
  std::size_t most_of(const TensorPart& part) const noexcept;
  Contribution contribution_of(std::span<const float> values, std::size_t place) const;
  SelectionLimits limits_of(const TensorPart& part, const Contribution& from, std::uint64_t step);
  float scale_of(std::span<const float> values) const;
  void forget_momentum(const Elements& sent) const noexcept;

  std::span<const TensorPart> parts_;
  const CodecSettings& settings_;
  std::size_t ranks_;
  std::size_t rank_;
  bool has_momentum_;
  DType type_;
  std::size_t count_ = 0;
  std::size_t most_ = 0;
  std::span<float> residual_;
  std::span<float> momentum_;
  ElementMemory memory_;
};

}  // namespace tutti::detail
