// What a model's parameters are, and what they start as.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include <tutti/kernels/buffer.hpp>

namespace tutti::trainer {

/// One parameter tensor of a model. Parameters are numbered in model order, first layer first.
struct ParameterInfo {
  std::string name;  ///< "conv1.weight"
  std::vector<std::int64_t> shape;
  // Initial values are `initial_values` where they are given, else the sum of these three.
  double initial_bound = 0.0;  ///< uniform in [-bound, bound)
  double initial_std = 0.0;    ///< normal, of mean 0
  double initial_value = 0.0;
  std::shared_ptr<const void> initial_values = {};  ///< count() values of the model's type, from a file

  std::size_t count() const noexcept;
};

/// Fills `values` (f32 or f64) with the initial values of parameter number `index`. Every element is a function of
/// (seed, index, element) alone: the same on every rank, for any number of ranks, and for any layout of memory.
void initialise(const ParameterInfo& parameter, std::size_t index, std::uint64_t seed, Buffer values);

}  // namespace tutti::trainer
