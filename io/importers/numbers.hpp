// Numbers in text, read without the locale and rounded right: std::from_chars and what it leaves open.
#pragma once

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdint>
#include <string_view>
#include <system_error>

namespace tutti::io {

enum class NumberProblem : std::uint8_t { none, no_number, out_of_range, not_finite };

/// What came of reading a number: the place behind it, or what is wrong.
struct NumberRead {
  const char* end = nullptr;
  NumberProblem problem = NumberProblem::none;
};

/// Whether the decimal number that [first, last) is, not 0, is below 1: by the place of its first digit that is not 0,
/// and its exponent. For numbers that no type of this machine can hold.
inline bool is_below_one(const char* first, const char* last) {
  const char* const mantissa_end = std::find_if(first, last, [](char c) { return c == 'e' || c == 'E'; });
  const char* const point = std::find(first, mantissa_end, '.');
  const char* const digit = std::find_if(first, mantissa_end, [](char c) { return c >= '1' && c <= '9'; });
  const std::int64_t whole_digits = digit < point ? point - digit : point + 1 - digit;  // below 0: zeros behind it
  const char* at = mantissa_end == last ? last : mantissa_end + 1;
  if (at != last && *at == '+') ++at;
  std::int64_t exponent = 0;
  if (std::from_chars(at, last, exponent).ec == std::errc::result_out_of_range) return *at == '-';
  constexpr std::int64_t kFar = std::int64_t{1} << 62;
  return whole_digits + std::clamp(exponent, -kFar, kFar) <= 0;
}

/// A finite real number at the front of [first, last), with or without a sign; T is float or double. What is too small
/// for T becomes 0 or what is nearest to it, as in a program's text.
template <class T>
NumberRead read_number(const char* first, const char* last, T& value) {
  // Up to seven digits: exact in a float, and several times as fast.
  std::uint32_t digits = 0;
  const char* at = first;
  const char* const limit = last - first > 7 ? first + 7 : last;
  for (; at != limit && *at >= '0' && *at <= '9'; ++at) digits = digits * 10 + static_cast<std::uint32_t>(*at - '0');
  if (at != first && (at == last || *at == ',' || *at == ' ' || *at == '\t' || *at == ';')) {
    value = static_cast<T>(digits);
    return {.end = at};
  }
  if (first != last && *first == '+' && last - first > 1 && first[1] != '-') ++first;
  const auto [end, error] = std::from_chars(first, last, value);
  if (error == std::errc::invalid_argument) return {.end = first, .problem = NumberProblem::no_number};
  if (error == std::errc() && std::isfinite(value)) return {.end = end};
  const char first_letter = *first == '-' && last - first > 1 ? first[1] : *first;
  if (first_letter == 'i' || first_letter == 'I' || first_letter == 'n' || first_letter == 'N')
    return {.end = end, .problem = NumberProblem::not_finite};
  if (!is_below_one(first, end)) return {.end = end, .problem = NumberProblem::out_of_range};
  long double wide = 0;  // stays 0 if it is too small even for that
  std::from_chars(first, end, wide);
  value = static_cast<T>(std::copysign(wide, *first == '-' ? -1.0L : 1.0L));
  return {.end = end};
}

/// All of `text`, an integer with or without a sign: "3.0" is none.
inline NumberProblem read_integer(std::string_view text, std::int64_t& value) {
  if (text.size() > 1 && text[0] == '+' && text[1] != '-') text.remove_prefix(1);
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error == std::errc::result_out_of_range) return NumberProblem::out_of_range;
  return error == std::errc() && end == text.data() + text.size() ? NumberProblem::none : NumberProblem::no_number;
}

/// "is no number", behind the piece of text that is meant.
inline const char* words_of(NumberProblem problem, bool f32) {
  switch (problem) {
    case NumberProblem::out_of_range:
      return f32 ? "is beyond the range of f32" : "is beyond the range of f64";
    case NumberProblem::not_finite:
      return "is no finite number";
    default:
      return "is no number";
  }
}

}  // namespace tutti::io
