// Which settings hold for which parameter, and how a bucket falls into parts that are updated in one sweep.
#pragma once

#include <cstddef>
#include <span>
#include <string_view>
#include <vector>

#include <tutti/trainer/memory/buckets.hpp>
#include <tutti/trainer/memory/parameters.hpp>
#include <tutti/trainer/optimizers/options.hpp>

namespace tutti::trainer {

/// Whether `name` is what `pattern` says: `*` stands for any characters, also none, `?` for any one, others for
/// themselves.
bool glob_matches(std::string_view pattern, std::string_view name) noexcept;

struct ParameterSettings {
  double learning_rate_factor = 1.0;
  double weight_decay = 0.0;
  bool adapts = true;

  bool operator==(const ParameterSettings&) const = default;
};

/// By parameter, in model order: those of the first group that matches its name, or of the section.
/// \throws InvalidArgument naming a pattern that matches no parameter
std::vector<ParameterSettings> parameter_settings(std::span<const ParameterInfo> parameters,
                                                  const OptimizerOptions& options);

/// A part of a bucket that is updated in one sweep.
struct Sweep {
  std::size_t offset = 0;  ///< elements from the bucket's beginning
  std::size_t count = 0;
  ParameterSettings settings;
};

/// The sweeps over elements [begin, end) of a bucket, which lie between blocks as owned_counts() cuts: without overlap,
/// in the order they lie. Neighbours with equal settings are one sweep, and the gaps that align parameters belong to
/// it, so that a bucket of equal settings is one.
std::vector<Sweep> plan_sweeps(const BucketPlan& plan, std::size_t bucket, std::size_t begin, std::size_t end,
                               std::span<const ParameterSettings> settings);

/// The pieces of parameters in the same range, without gaps; their places in the bucket are offset_of() less the
/// bucket's own.
std::vector<BucketPlan::Piece> pieces_within(const BucketPlan& plan, std::size_t bucket, std::size_t begin,
                                             std::size_t end);

}  // namespace tutti::trainer
