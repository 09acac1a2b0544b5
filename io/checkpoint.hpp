// A checkpoint: named tensors and a JSON description in one HDF5 file, written so that the previous one survives any
// failure.
#pragma once

#include <tutti/kernels/cpp20.hpp>

#include <cstddef>
#include <filesystem>
#include <string>
#include <vector>

#include <nlohmann/json_fwd.hpp>

#include <tutti/kernels/buffer.hpp>

namespace tutti::io {

struct NamedTensor {
  std::string name;  ///< unique; '/' makes groups: "parameters/fc1.weight"
  DType dtype = DType::f32;
  std::vector<std::size_t> shape;
  std::vector<std::byte> bytes;
};

/// The content of a checkpoint. The meaning of names and of the description is the writer's.
struct Checkpoint {
  std::string description;  ///< a JSON object
  std::vector<NamedTensor> tensors;

  /// \throws DataError naming the tensor if it is not there.
  const NamedTensor& tensor(const std::string& name) const;
};

/// Writes `file`: the HDF5 image is built in memory, written under a temporary name beside it, synced and renamed, so
/// at every instant `file` is either the old checkpoint or the new one, whole. \throws DataError naming the file and
/// the cause, the temporary file removed: a folder that cannot be written, a disk that is full.
void write_checkpoint(const std::filesystem::path& file, const Checkpoint& checkpoint);

/// \throws DataError naming the file and what is wrong: missing, truncated, not a checkpoint, another version, a
/// checksum that does
///         not match.
Checkpoint read_checkpoint(const std::filesystem::path& file);

}  // namespace tutti::io
