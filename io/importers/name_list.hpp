// Names of classes from a text file, one a line.
#pragma once

#include <cstddef>
#include <filesystem>
#include <string>
#include <vector>

namespace tutti::io {

/// Names of classes 0 .. classes-1; empty lines are passed over. \throws DataError naming the file: missing, another
/// number of names, a name that is not UTF-8, or too long.
std::vector<std::string> read_class_names(const std::filesystem::path& file, std::size_t classes);

}  // namespace tutti::io
