// Files of tensors for other programs, as Hugging Face's safetensors has them: a JSON header, then the bytes of all
// tensors, row by row, little-endian. FORMAT.md describes what is written and what is read.
#pragma once

#include <cstddef>
#include <filesystem>
#include <map>
#include <span>
#include <string>
#include <vector>

#include <tutti/io/checkpoint.hpp>

namespace tutti::io {

struct Safetensors {
  std::map<std::string, std::string> metadata;
  std::vector<NamedTensor> tensors;  ///< by a reader: in the order of their bytes
};

/// Writes `file` under a temporary name beside it, synced and renamed. Tensors are sorted by the size of their
/// elements, descending, then by name, so that each is aligned. \throws InvalidArgument naming the tensor: two of a
/// name, a name that is no UTF-8 or `__metadata__`, a size that is not that of its shape. DataError naming the file.
void write_safetensors(const std::filesystem::path& file, const Safetensors& content);

/// \throws DataError naming the file and the first thing that is wrong. A tensor of BOOL is read as u8.
Safetensors read_safetensors(const std::filesystem::path& file);

/// The same of a file that lies in memory; `origin` is what errors call it.
Safetensors parse_safetensors(std::span<const std::byte> file, const std::string& origin);

}  // namespace tutti::io
