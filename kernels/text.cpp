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

}  // namespace tutti
