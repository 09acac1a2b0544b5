// Files in and out, and JSON that others wrote, read tolerantly: a missing key or another type is an empty optional,
// never an exception.
#pragma once

#include <filesystem>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>

namespace tutti::tools {

/// The finite number at `key`.
std::optional<double> number_at(const nlohmann::json& object, const char* key);

/// The text at `key`; numbers and booleans as JSON writes them.
std::optional<std::string> text_at(const nlohmann::json& object, const char* key);

/// The whole file. \throws DataError naming it.
std::string read_file(const std::filesystem::path& file);

/// Writes beside the place and renames, so that a reader never sees half a page. \throws DataError naming the file.
void replace_file(const std::filesystem::path& file, const std::string& contents);

}  // namespace tutti::tools
