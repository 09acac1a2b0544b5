// text("rank ", 3, " is late"): the sentences of messages, put together in one place, so that sources that only report
// errors need no streams.
#pragma once

#include <concepts>
#include <cstddef>
#include <initializer_list>
#include <string>
#include <string_view>

namespace tutti {

namespace detail {
template <class T>
concept SignedNumber = std::signed_integral<T> && !std::same_as<T, char>;
template <class T>
concept UnsignedNumber = std::unsigned_integral<T> && !std::same_as<T, char>;
}  // namespace detail

/// What text() puts together: words, a character, or a number as the C locale writes it, real ones with six digits.
/// Refers to words that it is made from.
class TextPart {
 public:
  TextPart(std::string_view words) noexcept : kind_(Kind::words), words_(words) {}
  TextPart(const std::string& words) noexcept : TextPart(std::string_view(words)) {}
  TextPart(const char* words) noexcept : TextPart(std::string_view(words)) {}
  template <std::same_as<char> T>
  TextPart(T character) noexcept : kind_(Kind::character), character_(character) {}
  template <detail::SignedNumber T>
  TextPart(T number) noexcept : kind_(Kind::signed_number), signed_(number) {}
  template <detail::UnsignedNumber T>
  TextPart(T number) noexcept : kind_(Kind::unsigned_number), unsigned_(number) {}
  template <std::floating_point T>
  TextPart(T number) noexcept : kind_(Kind::real_number), real_(static_cast<double>(number)) {}

  void append_to(std::string& out) const;

 private:
  enum class Kind : unsigned char { words, character, signed_number, unsigned_number, real_number };

  Kind kind_;
  // Of these the one that kind_ says.
  std::string_view words_;
  char character_ = 0;
  long long signed_ = 0;
  unsigned long long unsigned_ = 0;
  double real_ = 0;
};

namespace detail {
std::string join(std::initializer_list<TextPart> parts);
}

/// The parts, one after another.
template <class... Parts>
std::string text(const Parts&... parts) {
  return detail::join({TextPart(parts)...});
}

/// The bytes of the character of UTF-8 (RFC 3629) that `bytes` begin with; 0 if they begin with none.
std::size_t utf8_length(std::string_view bytes) noexcept;

/// Whether `bytes` are valid UTF-8 (RFC 3629) without a zero byte, as JSON, TOML and HDF5's strings want it.
bool is_utf8(std::string_view bytes) noexcept;

/// For messages about bytes that no message can hold: what is not printable ASCII is written as \xNN.
std::string printable(std::string_view bytes);

}  // namespace tutti
