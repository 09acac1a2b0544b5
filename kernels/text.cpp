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

bool is_utf8(std::string_view bytes) noexcept {
  for (std::size_t i = 0; i < bytes.size();) {
    const auto byte = [&](std::size_t at) { return at < bytes.size() ? static_cast<unsigned char>(bytes[at]) : 0U; };
    const unsigned first = byte(i);
    const std::size_t length = first < 0x80   ? 1
                               : first < 0xC2 ? 0
                               : first < 0xE0 ? 2
                               : first < 0xF0 ? 3
                               : first < 0xF5 ? 4
                                              : 0;
    if (first == 0 || length == 0) return false;
    for (std::size_t k = 1; k < length; ++k)
      if ((byte(i + k) & 0xC0U) != 0x80) return false;
    const unsigned second = byte(i + 1);
    if (first == 0xE0 && second < 0xA0) return false;  // longer than need be
    if (first == 0xED && second > 0x9F) return false;  // halves of UTF-16
    if (first == 0xF0 && second < 0x90) return false;
    if (first == 0xF4 && second > 0x8F) return false;  // beyond U+10FFFF
    i += length;
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
