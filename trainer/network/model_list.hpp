// The models there are, as a table for people.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include <tutti/trainer/models/options.hpp>

namespace tutti::trainer {

/// "3x32x32" as extents. \throws InvalidArgument
std::vector<std::size_t> extents_of(std::string_view shape);

/// A line a model: its name, parameters, multiply-adds of a forward pass over one sample of `input`, and what it is. A
/// model that cannot take such inputs says why. `options` as in a configuration; only their name is not used.
std::string model_list(const std::vector<std::size_t>& input, std::size_t outputs, const ModelOptions& options);

}  // namespace tutti::trainer
