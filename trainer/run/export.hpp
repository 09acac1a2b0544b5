// The model of a checkpoint as a file for other programs.
#pragma once

#include <filesystem>
#include <string>

namespace tutti::trainer {

struct ExportOptions {
  std::filesystem::path from = {};        ///< a run folder, whose newest checkpoint is meant, or a checkpoint
  std::filesystem::path to = {};          ///< its ending says what it is: .safetensors or .pt (TorchScript)
  bool average = false;                   ///< the moving average of the parameters in their place
  bool torchvision_names = false;         ///< instead of those of the model; not for .pt
  bool force = false;                     ///< `to` may be there already
  std::filesystem::path model_file = {};  ///< where model.file is now, if it has moved
};

/// Writes the file whole or not at all. Local; a run may be using the folder. \returns what was done, as one sentence
/// \throws InvalidArgument: another ending, names that there are not. DataError naming the file: `to` is there or
/// cannot be written, no checkpoint, no average, a checkpoint from before shapes of inputs were in it (.pt), another
/// module in model.file
std::string export_model(const ExportOptions& options);

}  // namespace tutti::trainer
