// The little of JSON that records and timelines are written with.
#pragma once

#include <array>
#include <cstdio>
#include <string>
#include <string_view>
#include <type_traits>

#include <tutti/kernels/error.hpp>

namespace tutti::detail {

inline std::string json_string(std::string_view value) {
  std::string out = "\"";
  for (const char c : value) {
    const auto byte = static_cast<unsigned char>(c);
    constexpr unsigned char kFirstPrintable = 0x20;
    if (c == '"' || c == '\\') out += '\\';
    if (byte >= kFirstPrintable) {
      out += c;
    } else {
      std::array<char, 8> code{};
      std::snprintf(code.data(), code.size(), "\\u%04x", byte);
      out += code.data();
    }
  }
  return out + '"';
}

/// A number with so many digits behind the point.
inline std::string fixed(double value, int digits) {
  std::array<char, 64> out{};
  std::snprintf(out.data(), out.size(), "%.*f", digits, value);
  return out.data();
}

/// An object, member by member.
class JsonObject {
 public:
  JsonObject& add(std::string_view key, std::string_view value) { return add_raw(key, json_string(value)); }
  JsonObject& add(std::string_view key, const char* value) { return add_raw(key, json_string(value)); }
  JsonObject& add(std::string_view key, bool value) { return add_raw(key, value ? "true" : "false"); }
  template <class Number>
  requires std::is_arithmetic_v<Number> JsonObject& add(std::string_view key, Number value) {
    return add_raw(key, text(value));
  }

  /// `value` is JSON.
  JsonObject& add_raw(std::string_view key, std::string_view value) {
    out_ += text(out_.size() == 1 ? "" : ", ", json_string(key), ": ", value);
    return *this;
  }

  std::string str() const { return out_ + '}'; }

 private:
  std::string out_ = "{";
};

}  // namespace tutti::detail
