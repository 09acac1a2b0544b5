// Models of a file: TorchScript modules, as torch.jit.script(module).save(file) writes them.
#pragma once

#include <tutti/trainer/models/model.hpp>

namespace tutti::trainer {

/// The module of options.file as a plan of one stage, which holds its tensors itself. Its parameters begin as they are
/// in the file, in options.dtype. It is tried on two samples of zeros, without gradients.
/// \throws InvalidArgument naming the file: it cannot be loaded, has no parameters, takes other inputs, gives other
/// outputs, holds an operator that draws random numbers.
ModelPlan plan_torchscript(const ModelShape& shape, const ModelOptions& options);

}  // namespace tutti::trainer
