// Layers that models share.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <string>
#include <vector>

#include <tutti/trainer/memory/parameters.hpp>

namespace tutti::trainer {

std::int64_t element_count(const std::vector<std::int64_t>& extents);

/// Adds weight and bias of a layer; `gain` 2 before a relu (He et al., ICCV 2015), 1 before the output: variance gain /
/// fan_in.
void add_layer(std::vector<ParameterInfo>& parameters, const std::string& layer, std::vector<std::int64_t> weight,
               double gain);

/// input {n, ...} flattened, times weight {outputs, inputs}, plus bias.
at::Tensor dense(const at::Tensor& input, const at::Tensor& weight, const at::Tensor& bias);

}  // namespace tutti::trainer
