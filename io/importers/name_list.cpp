#include <tutti/io/importers/name_list.hpp>

#include <fmt/core.h>

#include <algorithm>
#include <cstdint>
#include <string_view>

#include <tutti/io/importers/byte_source.hpp>
#include <tutti/kernels/text.hpp>

namespace tutti::io {

std::vector<std::string> read_class_names(const std::filesystem::path& file, std::size_t classes) {
  constexpr std::uint64_t kMostBytes = std::uint64_t{1} << 24;
  ByteSource source(file);
  const std::vector<std::byte> bytes = source.take(kMostBytes);
  if (bytes.size() == kMostBytes) source.fail("is too long for a list of class names");
  std::string_view text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  if (!is_utf8(text)) source.fail("is not a text of class names: it is not UTF-8");
  std::vector<std::string> names;
  names.reserve(classes);
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    std::string_view line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    if (!line.empty() && line.back() == '\r') line.remove_suffix(1);
    if (!line.empty()) names.emplace_back(line);
  }
  if (names.size() != classes) source.fail(fmt::format("has {} class names for {} classes", names.size(), classes));
  return names;
}

}  // namespace tutti::io
