// What the encoders of kernels/codecs/ are compared with: value by value, from the definition of each code.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>
#include <span>
#include <type_traits>
#include <vector>

#include <tutti/kernels/cast.hpp>
#include <tutti/kernels/codecs/half_codes.hpp>
#include <tutti/kernels/codecs/integer_codes.hpp>
#include <tutti/kernels/codecs/power_codes.hpp>
#include <tutti/kernels/codecs/sign_codes.hpp>
#include <tutti/kernels/codecs/small_floats.hpp>
#include <tutti/kernels/philox.hpp>

#include "reference.hpp"

namespace tutti::test {

/// What an encoder gives, and what a decoder makes of its bytes.
struct Encoded {
  std::vector<std::uint8_t> bytes = {};
  std::vector<float> residual = {};
  std::vector<float> decoded = {};
  CodeSums sums = {};
};

/// A value and its code.
struct CodedValue {
  std::uint32_t code = 0;
  float decoded = 0.0F;
  bool is_saturated = false;
};

inline std::uint32_t reference_draw(const Draw& draw, std::size_t i) {
  const std::uint64_t index = draw.first + i;
  const std::uint64_t counter = index / 8;
  const PhiloxCounter words =
      philox4x32({static_cast<std::uint32_t>(counter), static_cast<std::uint32_t>(counter >> 32),
                  static_cast<std::uint32_t>(draw.stream), static_cast<std::uint32_t>(draw.stream >> 32)},
                 philox_key(draw.seed));
  return (words[index % 8 / 2] >> (16 * (index % 2))) & 0xffffU;
}
inline double reference_uniform(const Draw& draw, std::size_t i) { return (reference_draw(draw, i) + 0.5) * 0x1p-16; }

/// Sums of 16 columns, added in a tree.
class ReferenceColumns {
 public:
  void add(std::size_t i, double x) { columns_[i % 16] += x; }
  double total() const {
    std::array<double, 16> sums = columns_;
    for (std::size_t width = 8; width > 0; width /= 2)
      for (std::size_t i = 0; i < width; ++i) sums[i] += sums[i + width];
    return sums[0];
  }

 private:
  std::array<double, 16> columns_{};
};

struct ReferenceBlock {
  std::span<const float> p;
  float largest = 0.0F;
  double magnitudes = 0.0;
  double squares = 0.0;
};

inline ReferenceBlock reference_block(std::span<const float> p) {
  ReferenceBlock block{.p = p};
  ReferenceColumns magnitudes, squares;
  for (std::size_t i = 0; i < p.size(); ++i) {
    const auto x = static_cast<double>(p[i]);
    block.largest = std::max(block.largest, std::fabs(p[i]));
    magnitudes.add(i, std::fabs(x));
    squares.add(i, x * x);
  }
  block.magnitudes = magnitudes.total();
  block.squares = squares.total();
  return block;
}

inline void append_float(std::vector<std::uint8_t>& bytes, float x) {
  bytes.resize(bytes.size() + sizeof x);
  std::memcpy(bytes.data() + bytes.size() - sizeof x, &x, sizeof x);
}

// For each code: its header, and the code of a value.

class ReferenceIntegers {
 public:
  ReferenceIntegers(const IntegerCode& code, const ReferenceBlock& block) : code_(code) {
    const auto levels = static_cast<float>(code.levels);
    float scale = block.largest;
    if (code.scale == IntegerCode::Scale::norm) {
      const double norm = std::min(std::sqrt(block.squares), static_cast<double>(std::numeric_limits<float>::max()));
      scale = std::max(scale, static_cast<float>(norm));
    } else if (code.clip > 0) {
      const double bound = code.clip * std::sqrt(block.squares / static_cast<double>(block.p.size()));
      if (bound < static_cast<double>(scale)) scale = bound_ = static_cast<float>(bound);
    }
    if (scale < 0x1p-100F) return;
    inverse_ = levels / scale;
    unit_ = scale / levels;
    if (std::isinf(unit_ * levels)) unit_ = std::nextafter(unit_, 0.0F);
  }
  void header(std::vector<std::uint8_t>& bytes) const { append_float(bytes, unit_); }
  CodedValue coded(float p, const Draw& draw, std::size_t i) const {
    const float y = std::fabs(p) * inverse_;
    float level = std::nearbyint(y);
    if (code_.stochastic) {
      // Exact for whole levels; the sum of others is rounded to f32.
      level =
          std::trunc(std::min(y, static_cast<float>(code_.levels)) + static_cast<float>(reference_uniform(draw, i)));
    }
    const int integer = static_cast<int>(p < 0 ? -level : level);
    return {.code = static_cast<std::uint32_t>(integer) & ((1U << bits_of(code_)) - 1U),
            .decoded = static_cast<float>(integer) * unit_,
            .is_saturated = std::fabs(p) > bound_};
  }

 private:
  IntegerCode code_;
  float unit_ = 0.0F, inverse_ = 0.0F, bound_ = std::numeric_limits<float>::infinity();
};

class ReferenceSigns {
 public:
  ReferenceSigns(const SignCode& code, const ReferenceBlock& block)
      : scale_(code.is_scaled ? static_cast<float>(block.magnitudes / static_cast<double>(block.p.size())) : 1.0F) {}
  void header(std::vector<std::uint8_t>& bytes) const { append_float(bytes, scale_); }
  CodedValue coded(float p, const Draw& /*draw*/, std::size_t /*i*/) const {
    return {.code = p < 0 ? 1U : 0U, .decoded = p < 0 ? -scale_ : scale_};
  }

 private:
  float scale_;
};

/// What an encoder of signs reports of a block: the sum of (|p| - scale)^2, multiplied out.
inline void add_sign_sums(const SignCode& code, const ReferenceBlock& block, CodeSums& sums) {
  const auto size = static_cast<double>(block.p.size());
  const double scale = code.is_scaled ? static_cast<double>(static_cast<float>(block.magnitudes / size)) : 1.0;
  sums.squares += block.squares;
  sums.errors += std::max(block.squares - 2.0 * scale * block.magnitudes + size * scale * scale, 0.0);
}

/// The numbers of a format, by code.
inline std::vector<double> small_numbers(SmallFloatCode::Format format) {
  const bool is_e4m3 = format == SmallFloatCode::Format::e4m3;
  const int fraction_bits = is_e4m3 ? 3 : 2;
  const int bias = is_e4m3 ? 7 : 15;
  std::vector<double> numbers;
  for (int code = 0; code <= (is_e4m3 ? 0x7e : 0x7b); ++code) {
    const int exponent = code >> fraction_bits;
    const double fraction = std::ldexp(code & ((1 << fraction_bits) - 1), -fraction_bits);
    numbers.push_back(exponent == 0 ? std::ldexp(fraction, 1 - bias) : std::ldexp(1 + fraction, exponent - bias));
  }
  return numbers;
}

class ReferenceSmallFloats {
 public:
  ReferenceSmallFloats(const SmallFloatCode& code, const ReferenceBlock& block) : numbers_(small_numbers(code.format)) {
    while (static_cast<double>(block.largest) > std::ldexp(numbers_.back(), exponent_)) ++exponent_;
  }
  void header(std::vector<std::uint8_t>& bytes) const { bytes.push_back(static_cast<std::uint8_t>(exponent_ + 127)); }
  CodedValue coded(float p, const Draw& /*draw*/, std::size_t /*i*/) const {
    const double y = std::ldexp(std::fabs(static_cast<double>(p)), -exponent_);
    const auto above =
        static_cast<std::size_t>(std::lower_bound(numbers_.begin(), numbers_.end(), y) - numbers_.begin());
    std::size_t nearest = above;
    if (above > 0) {
      const double up = numbers_[above] - y;
      const double down = y - numbers_[above - 1];
      if (down < up || (down == up && above % 2 == 1)) nearest = above - 1;
    }
    const auto magnitude = static_cast<float>(std::ldexp(numbers_[nearest], exponent_));
    return {.code = static_cast<std::uint32_t>(nearest) | (std::signbit(p) ? 0x80U : 0U),
            .decoded = std::copysign(magnitude, p)};
  }

 private:
  std::vector<double> numbers_;
  int exponent_ = -126;
};

class ReferencePowers {
 public:
  ReferencePowers(const PowerCode& code, const ReferenceBlock& block) : code_(code) {
    const int highest = block.largest < 0x1p-126F ? -126 : std::min(std::ilogb(block.largest) + 1, 127);
    least_ = std::max(highest - 126, -126);
  }
  void header(std::vector<std::uint8_t>& bytes) const { bytes.push_back(static_cast<std::uint8_t>(least_ + 127)); }
  CodedValue coded(float p, const Draw& draw, std::size_t i) const {
    const double x = std::fabs(static_cast<double>(p));
    CodedValue value{.is_saturated = x > 0x1p127};
    const double least = std::ldexp(1.0, least_);
    double power = 0;
    if (x < least) {
      const bool is_up = code_.stochastic ? reference_uniform(draw, i) < x / least : x / least >= 0.5;
      power = is_up ? least : 0.0;
    } else {
      const double below = std::ldexp(1.0, std::ilogb(x));
      const double fraction = x / below - 1;
      power = (code_.stochastic ? fraction + reference_uniform(draw, i) >= 1 : fraction >= 0.5) ? 2 * below : below;
    }
    power = std::min(power, 0x1p127);
    value.code = power == 0 ? 0U : static_cast<std::uint32_t>(std::ilogb(power) - least_ + 1);
    if (std::signbit(p)) value.code |= 0x80U;
    value.decoded = std::copysign(static_cast<float>(power), p);
    return value;
  }

 private:
  PowerCode code_;
  int least_;
};

template <class Code>
struct ReferenceOf;
template <>
struct ReferenceOf<IntegerCode> : std::type_identity<ReferenceIntegers> {};
template <>
struct ReferenceOf<SignCode> : std::type_identity<ReferenceSigns> {};
template <>
struct ReferenceOf<SmallFloatCode> : std::type_identity<ReferenceSmallFloats> {};
template <>
struct ReferenceOf<PowerCode> : std::type_identity<ReferencePowers> {};

constexpr std::size_t code_bits(const IntegerCode& code) { return bits_of(code); }
constexpr std::size_t code_bits(const SignCode& /*code*/) { return 1; }
constexpr std::size_t code_bits(const SmallFloatCode& /*code*/) { return 8; }
constexpr std::size_t code_bits(const PowerCode& /*code*/) { return 8; }

inline std::vector<float> sums_of(std::span<const float> values, std::span<const float> residual) {
  std::vector<float> p(values.begin(), values.end());
  for (std::size_t i = 0; i < residual.size(); ++i) p[i] += residual[i];
  return p;
}

template <class Code>
Encoded reference_encode(const Code& code, std::span<const float> values, std::span<const float> residual,
                         const Draw& draw) {
  Encoded result{.residual = {residual.begin(), residual.end()}, .decoded = std::vector<float>(values.size())};
  const std::vector<float> all = sums_of(values, residual);
  ReferenceColumns squares, errors;
  for (std::size_t first = 0; first < all.size(); first += code.block) {
    const std::span<const float> p = std::span(all).subspan(first, std::min(code.block, all.size() - first));
    const std::size_t code_bytes = (p.size() * code_bits(code) + 7) / 8;
    if (std::any_of(p.begin(), p.end(), [](float x) { return !std::isfinite(x); })) {
      if (encoded_bytes(code, 1) == sizeof(float) + 1)
        append_float(result.bytes, std::numeric_limits<float>::quiet_NaN());
      else
        result.bytes.push_back(255);
      result.bytes.resize(result.bytes.size() + code_bytes);
      std::fill_n(result.decoded.begin() + static_cast<std::ptrdiff_t>(first), p.size(),
                  std::numeric_limits<float>::quiet_NaN());
      continue;
    }
    const ReferenceBlock block = reference_block(p);
    const typename ReferenceOf<Code>::type reference(code, block);
    if constexpr (std::is_same_v<Code, SignCode>) add_sign_sums(code, block, result.sums);
    reference.header(result.bytes);
    const std::size_t begin = result.bytes.size();
    result.bytes.resize(begin + code_bytes);
    for (std::size_t i = 0; i < p.size(); ++i) {
      const CodedValue coded = reference.coded(p[i], draw, first + i);
      const std::size_t bit = i * code_bits(code);
      result.bytes[begin + bit / 8] = static_cast<std::uint8_t>(result.bytes[begin + bit / 8] | coded.code << bit % 8);
      result.decoded[first + i] = coded.decoded;
      const float error = p[i] - coded.decoded;
      if (!residual.empty()) result.residual[first + i] = error;
      squares.add(i, static_cast<double>(p[i]) * static_cast<double>(p[i]));
      errors.add(i, static_cast<double>(error) * static_cast<double>(error));
      if (coded.is_saturated) ++result.sums.saturated;
    }
  }
  if constexpr (std::is_same_v<Code, SignCode>) {
    EXPECT_NEAR(result.sums.errors, errors.total(), 1e-6 * (squares.total() + errors.total()));
  } else {
    result.sums.squares = squares.total();
    result.sums.errors = errors.total();
  }
  return result;
}

/// Each value by itself.
inline Encoded reference_encode(const HalfCode& code, std::span<const float> values, std::span<const float> residual,
                                const Draw& draw) {
  Encoded result{.residual = {residual.begin(), residual.end()}, .decoded = std::vector<float>(values.size())};
  const std::vector<float> all = sums_of(values, residual);
  ReferenceColumns squares, errors;
  const float largest = code.format == DType::f16 ? 65504.0F : 0x1.fep127F;
  const double first_beyond = code.format == DType::f16 ? 65520.0 : code.stochastic ? 0x1.fe0002p127 : 0x1.ffp127;
  for (std::size_t i = 0; i < all.size(); ++i) {
    const float p = one_nan(all[i]);
    float sent = p;
    if (std::isfinite(p) && static_cast<double>(std::fabs(p)) >= first_beyond) ++result.sums.saturated;
    if (!residual.empty() && std::isfinite(p) && std::fabs(p) > largest) sent = std::copysign(largest, p);
    std::uint16_t bits = code.format == DType::f16 ? reference_f16(sent).bits : reference_bf16(sent).bits;
    if (code.stochastic) {
      const std::uint32_t word = std::bit_cast<std::uint32_t>(sent);
      bits = static_cast<std::uint16_t>((word + reference_draw(draw, i)) >> 16);
    }
    result.bytes.push_back(static_cast<std::uint8_t>(bits & 0xffU));
    result.bytes.push_back(static_cast<std::uint8_t>(bits >> 8));
    const float decoded = code.format == DType::f16 ? reference_f32(float16{bits}) : reference_f32(bfloat16{bits});
    result.decoded[i] = decoded;
    const float error = p - decoded;
    if (!std::isfinite(error)) continue;
    if (!residual.empty()) result.residual[i] = error;
    squares.add(i, static_cast<double>(p) * static_cast<double>(p));
    errors.add(i, static_cast<double>(error) * static_cast<double>(error));
  }
  result.sums.squares = squares.total();
  result.sums.errors = errors.total();
  return result;
}

}  // namespace tutti::test
