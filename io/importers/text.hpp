// Imports text, or any bytes, for byte-level language models: windows of bytes, or a line per sample.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include <tutti/io/import.hpp>

namespace tutti::io {

struct TextOptions {
  std::vector<std::filesystem::path> files = {};  ///< one after another; "-" is standard input
  std::string field = "input";                    ///< name of the field
  std::size_t length = 0;                         ///< bytes of a sample

  /// Bytes from the beginning of a window to that of the next; 0: `length`. What is left at the end of a file and fills
  /// no window is left out.
  std::uint64_t stride = 0;

  bool lines = false;  ///< a line is a sample, without its line end, filled up with zeros; windows otherwise
  bool cut = false;    ///< whether lines that are longer are cut; an error otherwise
};

/// Samples of one field, u8 {length}. \throws DataError naming the file, and the line if lines are read: a file shorter
/// than a window, a line that is too long.
std::unique_ptr<SampleSource> open_text(const TextOptions& options);

}  // namespace tutti::io
