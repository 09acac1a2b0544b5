// Which buckets are complete on this rank, while backward finishes one parameter after another.
#pragma once

#include <cstddef>
#include <vector>

#include <tutti/trainer/memory/buckets.hpp>

namespace tutti::trainer {

/// Buckets are exchanged in one fixed order on all ranks, whatever the order in which backward finishes parameters, so
/// that operations meet in the same order everywhere: a bucket counts once it and all buckets before it are complete.
class ReadyBuckets {
 public:
  /// `plan` outlives it.
  explicit ReadyBuckets(const BucketPlan& plan);

  /// A new step: no gradient is ready.
  void begin() noexcept;

  /// At most once a step for each element of a parameter: elements [first, first + count) of it are complete.
  void gradient_ready(std::size_t parameter, std::size_t first, std::size_t count) noexcept;
  void gradient_ready(std::size_t parameter) noexcept { gradient_ready(parameter, 0, plan_.places[parameter].count); }

  /// No more gradients will come: what is missing stays zero.
  void all_ready() noexcept { complete_ = missing_.size(); }

  /// Buckets [0, complete()) may be exchanged.
  std::size_t complete() const noexcept { return complete_; }

 private:
  const BucketPlan& plan_;
  struct Part {
    std::size_t bucket = 0;
    BucketPlan::Piece piece;
  };
  std::vector<std::vector<Part>> parts_;  // by parameter
  std::vector<std::size_t> missing_;      // by bucket: elements whose gradient is not ready
  std::size_t complete_ = 0;
};

}  // namespace tutti::trainer
