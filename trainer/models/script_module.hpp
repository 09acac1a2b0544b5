// A trained model as a file of TorchScript, which torch.jit.load reads: code and tensors.
#pragma once

#include <ATen/core/Tensor.h>

#include <map>
#include <span>
#include <string>

#include <tutti/trainer/models/model.hpp>

namespace tutti::trainer {

/// What is to be written: a plan, and the values of its tensors in the order of the plan.
struct TrainedModel {
  bool takes_integers = false;  ///< bytes of text
  const ModelPlan& plan;
  const ModelShape& shape;
  std::span<const at::Tensor> parameters;
  std::span<const at::Tensor> buffers;
};

/// The bytes of the file. A model of a file keeps its module, with these values in it. Of any other the forward pass is
/// recorded (traced) in evaluation mode, for any number of samples; its tensors have the names of the plan, parts
/// between dots being submodules. `extra_files`: name and content, kept as they are.
std::string torchscript_file(const TrainedModel& model, const std::map<std::string, std::string>& extra_files);

}  // namespace tutti::trainer
