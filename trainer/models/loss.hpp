// What a model is to make small, and how its answers are scored.
#pragma once

#include <ATen/core/Tensor.h>

#include <string_view>

#include <tutti/trainer/models/options.hpp>

namespace tutti::trainer {

/// One row of the table of losses.
struct Loss {
  /// Sum over the samples of the loss of each: the mean over what one sample has of targets.
  using Sum = at::Tensor(const at::Tensor& output, const at::Tensor& targets, const ModelOptions& options);

  std::string_view name;
  std::string_view description;
  bool of_classes;  ///< targets are classes (i64), not numbers
  bool yes_or_no;   ///< numbers are probabilities, and above 0 an output says yes
  Sum* sum;
};

/// The one that `options` name, or that of the model where they say "auto". \throws InvalidArgument
const Loss& find_loss(const ModelOptions& options);

}  // namespace tutti::trainer
