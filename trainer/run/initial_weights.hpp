// What a model begins as, from a file of tensors (key model.weights) instead of random numbers.
#pragma once

#include <span>
#include <vector>

#include <tutti/trainer/memory/parameters.hpp>
#include <tutti/trainer/models/options.hpp>
#include <tutti/trainer/network/network.hpp>

namespace tutti::trainer {

/// Sets `initial_values` of all `parameters`, and the values of `buffers`, to those of the safetensors file
/// options.weights, converted to their types from F64, F32, F16 or BF16. The file's names are those of the model, or
/// as options.weights_names says; those that match a pattern of options.weights_skip are passed over, in the model and
/// in the file. Local. \throws DataError naming the file and what is wrong, nothing being changed: it cannot be read,
/// lacks tensors of the model, has others, a tensor has another shape or type or a value that is not finite.
/// ConfigError: a pattern that matches nothing. InvalidArgument: torchvision has no names for this model.
void read_initial_weights(const ModelOptions& options, std::vector<ParameterInfo>& parameters,
                          std::span<const NamedBuffer> buffers);

}  // namespace tutti::trainer
