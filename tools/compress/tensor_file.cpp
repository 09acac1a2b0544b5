#include "tools/compress/tensor_file.hpp"

#include <fnmatch.h>

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <span>
#include <string_view>
#include <system_error>
#include <utility>

#include <tutti/io/checkpoint.hpp>
#include <tutti/io/safetensors.hpp>
#include <tutti/kernels/cast.hpp>
#include <tutti/kernels/error.hpp>
#include <tutti/kernels/text.hpp>

namespace tutti::tools {
namespace {

namespace fs = std::filesystem;

/// Every HDF5 file begins so.
constexpr std::string_view kHdf5 = "\x89HDF\r\n\x1a\n";

bool is_hdf5(const fs::path& file) {
  std::ifstream in(file, std::ios::binary);
  std::string head(kHdf5.size(), '\0');
  in.read(head.data(), static_cast<std::streamsize>(head.size()));
  return in && head == kHdf5;
}

std::vector<io::NamedTensor> read_named(const fs::path& file) {
  return is_hdf5(file) ? io::read_checkpoint(file).tensors : io::read_safetensors(file).tensors;
}

/// The newest checkpoint of a run that is whole; `file` becomes its name. Steps have names of equal length.
std::vector<io::NamedTensor> read_newest(const fs::path& folder, fs::path& file) {
  std::vector<fs::path> files;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(folder / "checkpoints", error)) {
    const std::string name = entry.path().filename().string();
    if (fnmatch("step-[0-9][0-9][0-9][0-9][0-9][0-9][0-9][0-9][0-9][0-9][0-9][0-9].h5", name.c_str(), 0) == 0)
      files.push_back(entry.path());
  }
  std::sort(files.rbegin(), files.rend());
  for (const fs::path& candidate : files) {
    try {
      auto tensors = read_named(candidate);
      file = candidate;
      return tensors;
    } catch (const DataError& broken) {
      std::fprintf(stderr, "tutti: note: passing over a checkpoint: %s\n", broken.what());
    }
  }
  throw DataError(text(folder.string(), ": the folder holds no run with a checkpoint that is whole"));
}

bool is_float(DType type) {
  return type == DType::f64 || type == DType::f32 || type == DType::bf16 || type == DType::f16;
}

std::vector<float> as_floats(const io::NamedTensor& tensor) {
  const std::size_t count = tensor.bytes.size() / size_of(tensor.dtype);
  std::vector<float> values(count);
  if (tensor.dtype == DType::f32) {
    std::memcpy(values.data(), tensor.bytes.data(), tensor.bytes.size());
    return values;
  }
  if (tensor.dtype == DType::f64) {
    std::vector<double> wide(count);
    std::memcpy(wide.data(), tensor.bytes.data(), tensor.bytes.size());
    std::transform(wide.begin(), wide.end(), values.begin(), [](double value) { return static_cast<float>(value); });
    return values;
  }
  cast(ConstBuffer(tensor.bytes.data(), count, tensor.dtype), Buffer(std::span(values)));
  return values;
}

}  // namespace

TensorFile read_tensors(const fs::path& path, const std::string& glob) {
  TensorFile found{.file = path, .tensors = {}};
  std::error_code error;
  std::vector<io::NamedTensor> tensors =
      fs::is_directory(path, error) ? read_newest(path, found.file) : read_named(path);
  for (io::NamedTensor& tensor : tensors) {
    if (fnmatch(glob.c_str(), tensor.name.c_str(), 0) != 0) continue;
    if (!is_float(tensor.dtype) || tensor.bytes.empty()) {
      ++found.left_out;
      continue;
    }
    found.tensors.push_back({.name = tensor.name, .shape = tensor.shape, .values = as_floats(tensor)});
    tensor.bytes = {};
  }
  if (found.tensors.empty() && found.left_out == 0)
    throw DataError(text(found.file.string(), ": no tensor fits --tensors '", glob, "'"));
  std::stable_sort(found.tensors.begin(), found.tensors.end(),
                   [](const FloatTensor& a, const FloatTensor& b) { return a.values.size() > b.values.size(); });
  return found;
}

}  // namespace tutti::tools
