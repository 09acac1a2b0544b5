// How the parts of a message are written; see text.hpp.
#include <charconv>

#include <tutti/kernels/text.hpp>

namespace tutti {
namespace {

template <class T, class... Format>
void append_number(std::string& out, T number, Format... format) {
  constexpr int kLongest = 32;  // characters: the longest is -1.23457e-308
  char digits[kLongest];
  out.append(digits, std::to_chars(digits, digits + kLongest, number, format...).ptr);
}

}  // namespace

void TextPart::append_to(std::string& out) const {
  constexpr int kDigits = 6;
  switch (kind_) {
    case Kind::words:
      out += words_;
      return;
    case Kind::character:
      out += character_;
      return;
    case Kind::signed_number:
      return append_number(out, signed_);
    case Kind::unsigned_number:
      return append_number(out, unsigned_);
    case Kind::real_number:
      return append_number(out, real_, std::chars_format::general, kDigits);
  }
}

std::string detail::join(std::initializer_list<TextPart> parts) {
  std::string out;
  for (const TextPart& part : parts) part.append_to(out);
  return out;
}

std::size_t utf8_length(std::string_view bytes) noexcept {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(bytes[i]); };
  const unsigned char lead = byte(0);
  const std::size_t length = lead < 0x80   ? 1
                             : lead < 0xC2 ? 0
                             : lead < 0xE0 ? 2
                             : lead < 0xF0 ? 3
                             : lead < 0xF5 ? 4
                                           : 0;
  if (length > bytes.size()) return 0;
  for (std::size_t i = 1; i < length; ++i) {
    if ((byte(i) & 0xC0) != 0x80) return 0;
  }
  // Longer than needed, half of a pair of UTF-16, beyond the last.
  if ((lead == 0xE0 && byte(1) < 0xA0) || (lead == 0xED && byte(1) > 0x9F)) return 0;
  if ((lead == 0xF0 && byte(1) < 0x90) || (lead == 0xF4 && byte(1) > 0x8F)) return 0;
  return length;
}

bool is_utf8(std::string_view bytes) noexcept {
  while (!bytes.empty()) {
    const std::size_t length = utf8_length(bytes);
    if (length == 0 || bytes.front() == '\0') return false;
    bytes.remove_prefix(length);
  }
  return true;
}

std::string printable(std::string_view bytes) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  std::string out;
  for (const char c : bytes) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte >= 0x20 && byte < 0x7f)
      out += c;
    else
      out.append("\\x").append(1, kDigits[byte / 16]).append(1, kDigits[byte % 16]);
  }
  return out;
}

}  // namespace tutti
