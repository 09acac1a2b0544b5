// Reading and writing sizes; see byte_size.hpp.
#include <charconv>
#include <cstdint>

#include <tutti/kernels/byte_size.hpp>
#include <tutti/kernels/text.hpp>

namespace tutti {

std::optional<std::size_t> byte_size_from_text(std::string_view text) noexcept {
  std::uint64_t number = 0;
  const auto [end, status] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (status != std::errc() || end == text.data()) return std::nullopt;
  std::string_view suffix(end, static_cast<std::size_t>(text.data() + text.size() - end));
  int shift = 0;
  if (!suffix.empty()) {
    switch (suffix.front()) {
      case 'k':
      case 'K':
        shift = 10;
        break;
      case 'm':
      case 'M':
        shift = 20;
        break;
      case 'g':
      case 'G':
        shift = 30;
        break;
      default:
        break;
    }
    if (shift != 0) suffix.remove_prefix(1);
    if (!suffix.empty() && suffix != "B" && (shift == 0 || suffix != "iB")) return std::nullopt;
  }
  if (number > (std::uint64_t{1} << 62 >> shift)) return std::nullopt;
  return static_cast<std::size_t>(number << shift);
}

std::string byte_size_text(std::size_t bytes) {
  constexpr std::size_t kKilo = 1024;
  std::string_view suffix = "";
  for (const std::string_view larger : {"K", "M", "G"}) {
    if (bytes < kKilo || bytes % kKilo != 0) break;
    bytes /= kKilo;
    suffix = larger;
  }
  return text(bytes, suffix);
}

}  // namespace tutti
