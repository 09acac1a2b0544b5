// Tensors of a file, to be compressed: a checkpoint of tutti, the newest of a run folder, or safetensors.
#pragma once

#include <cstddef>
#include <filesystem>
#include <string>
#include <vector>

namespace tutti::tools {

struct FloatTensor {
  std::string name;
  std::vector<std::size_t> shape;
  std::vector<float> values;
};

struct TensorFile {
  std::filesystem::path file;        ///< that was read
  std::vector<FloatTensor> tensors;  ///< largest first
  std::size_t left_out = 0;          ///< tensors that are of integers, or empty
};

/// Those whose name fits `glob`; of other floating-point types converted. \throws DataError naming the file, or the
/// pattern if it fits none
TensorFile read_tensors(const std::filesystem::path& path, const std::string& glob);

}  // namespace tutti::tools
