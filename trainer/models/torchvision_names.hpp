// Names that torchvision gives to the tensors of models that it has too.
#pragma once

#include <string>

#include <tutti/trainer/models/options.hpp>

namespace tutti::trainer {

/// What torchvision's model calls the tensor `name` of the model that `options` name: resnet18, resnet34, resnet50, and
/// vgg11 with its head of three layers. \throws InvalidArgument: torchvision has no such model.
std::string torchvision_name(const ModelOptions& options, const std::string& name);

}  // namespace tutti::trainer
