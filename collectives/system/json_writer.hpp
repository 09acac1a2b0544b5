// The little of JSON that records and timelines are written with.
#pragma once

#include <algorithm>
#include <array>
#include <charconv>
#include <cstddef>
#include <cstdio>
#include <string>
#include <string_view>
#include <type_traits>

#include <tutti/kernels/error.hpp>
#include <tutti/kernels/text.hpp>

namespace tutti::detail {

/// Bytes that are not UTF-8, as names of files may have, become U+FFFD.
inline std::string json_string(std::string_view value) {
  constexpr unsigned char kFirstPrintable = 0x20;
  std::string out = "\"";
  while (!value.empty()) {
    const std::size_t length = utf8_length(value);
    const char c = value.front();
    if (length == 0) {
      out += "\\ufffd";
    } else if (static_cast<unsigned char>(c) < kFirstPrintable) {
      std::array<char, 8> code{};
      std::snprintf(code.data(), code.size(), "\\u%04x", static_cast<unsigned>(c));
      out += code.data();
    } else {
      if (c == '"' || c == '\\') out += '\\';
      out += value.substr(0, length);
    }
    value.remove_prefix(std::max<std::size_t>(length, 1));
  }
  return out + '"';
}

/// A number with so many digits behind the point, whatever the program's locale.
inline std::string fixed(double value, int digits) {
  std::array<char, 64> out{};
  const auto end = std::to_chars(out.data(), out.data() + out.size(), value, std::chars_format::fixed, digits);
  return {out.data(), end.ptr};
}

/// An object, member by member.
class JsonWriter {
 public:
  JsonWriter& add(std::string_view key, std::string_view value) { return add_raw(key, json_string(value)); }
  JsonWriter& add(std::string_view key, const char* value) { return add_raw(key, json_string(value)); }
  JsonWriter& add(std::string_view key, bool value) { return add_raw(key, value ? "true" : "false"); }
  template <class Number>
  requires std::is_arithmetic_v<Number> JsonWriter& add(std::string_view key, Number value) {
    return add_raw(key, text(value));
  }

  /// `value` is JSON.
  JsonWriter& add_raw(std::string_view key, std::string_view value) {
    out_ += text(out_.size() == 1 ? "" : ", ", json_string(key), ": ", value);
    return *this;
  }

  std::string str() const { return out_ + '}'; }

 private:
  std::string out_ = "{";
};

}  // namespace tutti::detail
