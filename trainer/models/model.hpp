// Models: a list of parameters and a forward pass over them. What libtorch knows of a model ends here; memory,
// gradients and updates are the trainer's.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include <tutti/trainer/memory/parameters.hpp>
#include <tutti/trainer/models/options.hpp>

namespace tutti::trainer {

/// What goes in and what comes out.
struct ModelShape {
  std::vector<std::int64_t> input;  ///< of one sample, channels first
  std::int64_t classes = 0;
};

/// One row of the table of models.
struct Model {
  using Parameters = std::vector<ParameterInfo>(const ModelShape& shape, const ModelOptions& options);
  using Forward = at::Tensor(const at::Tensor& input, std::span<const at::Tensor> parameters,
                             const ModelOptions& options);

  std::string_view name;

  /// \throws InvalidArgument if the model cannot take such inputs.
  Parameters* parameters;

  /// `input` is {samples, shape.input...}; the result {samples, classes} holds unnormalised log-probabilities.
  Forward* forward;
};

/// The row with that name. \throws InvalidArgument naming the known models.
const Model& find_model(std::string_view name);

/// softmax.cpp, mlp.cpp, convnet.cpp
Model::Parameters softmax_parameters, mlp_parameters, convnet_parameters;
Model::Forward softmax_forward, mlp_forward, convnet_forward;

}  // namespace tutti::trainer
