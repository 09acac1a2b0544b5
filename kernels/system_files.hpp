// What the kernel tells in small files, below /proc and /sys.
#pragma once

#include <charconv>
#include <fstream>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>

namespace tutti {

/// Empty if there is no such file.
inline std::string first_line(const std::string& file) {
  std::string line;
  std::ifstream in(file);
  std::getline(in, line);
  return line;
}

/// The number that `words` begin with; nothing if they begin with none ("max").
template <class Number>
std::optional<Number> leading_number(std::string_view words) {
  Number number = 0;
  const auto [end, status] = std::from_chars(words.data(), words.data() + words.size(), number);
  if (status != std::errc() || end == words.data()) return std::nullopt;
  return number;
}

/// What stands behind `key` in a file of "key : value" lines, as /proc/cpuinfo; nothing if no line begins with it.
inline std::optional<std::string> value_in_file(const std::string& file, std::string_view key) {
  std::ifstream in(file);
  for (std::string line; std::getline(in, line);) {
    if (!line.starts_with(key)) continue;
    const auto colon = line.find(':');
    if (colon == std::string::npos) continue;
    const auto begin = line.find_first_not_of(" \t", colon + 1);
    if (begin != std::string::npos) return line.substr(begin);
  }
  return std::nullopt;
}

}  // namespace tutti
