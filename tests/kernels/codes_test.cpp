// Encoders and decoders of kernels/codecs/: on every instruction set the same bytes, residuals and sums as the
// reference, for every code, length and kind of input.
#include <gtest/gtest.h>

#include <functional>
#include <string>
#include <vector>

#include <tutti/kernels/error.hpp>

#include "codes_reference.hpp"
#include "targets.hpp"

namespace tutti::test {
namespace {

constexpr std::uint64_t kCodesSeed = 20261130;

struct Input {
  std::string name;
  std::function<float(std::size_t)> value;
};

float normal_value(std::uint64_t stream, std::size_t i) {
  const double u = 1.0 - random_uniform(kCodesSeed, stream, 2 * i);
  const double v = random_uniform(kCodesSeed, stream, 2 * i + 1);
  return static_cast<float>(std::sqrt(-2 * std::log(u)) * std::cos(6.283185307179586 * v));
}

float any_bits(std::size_t i) { return std::bit_cast<float>(static_cast<std::uint32_t>(random_u64(kCodesSeed, 3, i))); }

std::vector<Input> inputs() {
  constexpr float kMost = std::numeric_limits<float>::max();
  return {
      {"normal", [](std::size_t i) { return normal_value(1, i); }},
      {"zeros", [](std::size_t i) { return i % 2 == 0 ? 0.0F : -0.0F; }},
      {"constant", [](std::size_t) { return -0.7F; }},
      {"one spike", [](std::size_t i) { return i == 5 ? 1000.0F : 0.001F * normal_value(2, i); }},
      {"alternating", [](std::size_t i) { return i % 2 == 0 ? 3.0F : -3.0F; }},
      {"all exponents",
       [](std::size_t i) {
         return std::ldexp(normal_value(4, i), static_cast<int>(random_u64(kCodesSeed, 5, i) % 120) - 60);
       }},
      {"subnormal", [](std::size_t i) { return static_cast<float>(i % 50) * (i % 3 == 0 ? 0x1p-149F : -0x1p-149F); }},
      {"tiny", [](std::size_t i) { return normal_value(6, i) * 0x1p-99F; }},
      {"largest", [](std::size_t i) { return i % 2 == 0 ? kMost : -kMost; }},
      {"large", [](std::size_t i) { return normal_value(7, i) * 5e37F; }},
      {"beyond f16", [](std::size_t i) { return normal_value(8, i) * 60000.0F; }},
      {"halves", [](std::size_t i) { return static_cast<float>(i % 255) - 127.0F + (i % 4 == 1 ? 0.5F : 0.0F); }},
      {"some not finite",
       [](std::size_t i) {
         if (i % 301 == 300) return std::numeric_limits<float>::infinity();
         return i % 401 == 33 ? std::numeric_limits<float>::quiet_NaN() : normal_value(9, i);
       }},
      {"any bits", any_bits}};
}

template <class Code>
Encoded run(const Code& code, const std::vector<float>& values, const std::vector<float>& residual, const Draw& draw) {
  constexpr std::size_t kGuard = 64;
  constexpr std::uint8_t kPoison = 0xA5;
  Encoded result{.residual = residual};
  const std::size_t size = encoded_bytes(code, values.size());
  std::vector<std::uint8_t> bytes(size + 2 * kGuard + 1, kPoison);
  const auto out = std::as_writable_bytes(std::span(bytes)).subspan(kGuard + 1, size);
  result.sums = encode(code, values, result.residual, draw, out);
  result.bytes.assign(bytes.begin() + kGuard + 1, bytes.begin() + static_cast<std::ptrdiff_t>(kGuard + 1 + size));
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    if (i < kGuard + 1 || i >= kGuard + 1 + size) {
      EXPECT_EQ(bytes[i], kPoison) << "beside the codes";
    }
  }
  // The bytes are copied to memory of their exact length, so that a sanitizer sees reads behind it.
  std::vector<std::byte> exact(out.begin(), out.end());
  result.decoded.assign(values.size() + kGuard, 12345.0F);
  decode(code, exact, std::span(result.decoded).first(values.size()));
  std::vector<float> sums(values.size(), 1.0F);
  decode(code, exact, sums, true);
  for (std::size_t i = 0; i < values.size(); ++i)
    EXPECT_EQ(bits_of(one_nan(sums[i])), bits_of(one_nan(1.0F + result.decoded[i]))) << i;
  for (std::size_t i = values.size(); i < result.decoded.size(); ++i)
    EXPECT_EQ(result.decoded[i], 12345.0F) << "beside the values";
  result.decoded.resize(values.size());
  return result;
}

void expect_same_bits(const char* what, const std::vector<float>& got, const std::vector<float>& wanted) {
  ASSERT_EQ(got.size(), wanted.size());
  for (std::size_t i = 0; i < got.size(); ++i)
    ASSERT_EQ(bits_of(got[i]), bits_of(wanted[i])) << what << '[' << i << "] is " << got[i] << ", not " << wanted[i];
}

/// Zero counts as positive in integers, which have no sign of zero: what is decoded is compared by value.
void expect_same_values(const std::vector<float>& got, const std::vector<float>& wanted) {
  for (std::size_t i = 0; i < got.size(); ++i)
    ASSERT_TRUE(got[i] == wanted[i] || (std::isnan(got[i]) && std::isnan(wanted[i])))
        << "decoded[" << i << "] is " << got[i] << ", not " << wanted[i];
}

template <class Code>
void compare(const Code& code, std::size_t count, const Input& input, bool with_residual) {
  SCOPED_TRACE(testing::Message() << count << " values, " << input.name << (with_residual ? ", residual" : "")
                                  << ", seed " << kCodesSeed);
  std::vector<float> values(count), residual(with_residual ? count : 0);
  for (std::size_t i = 0; i < count; ++i) values[i] = input.value(i);
  for (std::size_t i = 0; i < residual.size(); ++i) residual[i] = 0.25F * input.value(i + 1000);
  const Draw draw = {.seed = kCodesSeed, .stream = 77, .first = 3 * kLargestBlock};
  const Encoded wanted = reference_encode(code, values, residual, draw);
  const Encoded got = run(code, values, residual, draw);
  ASSERT_EQ(wanted.bytes.size(), encoded_bytes(code, count));
  for (std::size_t i = 0; i < wanted.bytes.size(); ++i)
    ASSERT_EQ(int{got.bytes[i]}, int{wanted.bytes[i]}) << "byte " << i;
  expect_same_bits("residual", got.residual, wanted.residual);
  expect_same_values(got.decoded, wanted.decoded);
  EXPECT_EQ(bits_of(got.sums.squares), bits_of(wanted.sums.squares));
  EXPECT_EQ(bits_of(got.sums.errors), bits_of(wanted.sums.errors));
  EXPECT_EQ(got.sums.saturated, wanted.sums.saturated);
}

template <class Code>
void compare_all(const Code& code, std::size_t block) {
  const std::vector<Input> all = inputs();
  for_each_target([&] {
    for (const std::size_t count : {std::size_t{0}, std::size_t{1}, std::size_t{2}, std::size_t{7}, std::size_t{15},
                                    std::size_t{16}, std::size_t{17}, block - 1, block, block + 1, 2 * block + 273}) {
      for (const Input& input : all) {
        compare(code, count, input, false);
        compare(code, count, input, true);
        if (testing::Test::HasFailure()) return;
      }
    }
  });
}

TEST(Codes, OfIntegers) {
  using Scale = IntegerCode::Scale;
  const std::vector<IntegerCode> codes = {{.block = 128, .levels = 127},
                                          {.block = 32, .levels = 7},
                                          {.block = 512, .levels = 127, .stochastic = true},
                                          {.block = 64, .levels = 7, .stochastic = true},
                                          {.block = 128, .levels = 100, .scale = Scale::norm, .stochastic = true},
                                          {.block = 32, .levels = 4, .scale = Scale::norm, .stochastic = true},
                                          {.block = 64, .levels = 1, .scale = Scale::norm, .stochastic = true},
                                          {.block = 256, .levels = 1, .stochastic = true, .clip = 2.5},
                                          {.block = 64, .levels = 1, .stochastic = true}};
  for (const IntegerCode& code : codes) {
    SCOPED_TRACE(testing::Message() << code.levels << " levels, block " << code.block);
    compare_all(code, code.block);
  }
}

TEST(Codes, OfSigns) {
  for (const SignCode& code :
       {SignCode{.block = 32}, SignCode{.block = 1024}, SignCode{.block = 64, .is_scaled = false}})
    compare_all(code, code.block);
}

TEST(Codes, OfSmallFloats) {
  for (const auto format : {SmallFloatCode::Format::e4m3, SmallFloatCode::Format::e5m2})
    for (const std::size_t block : {32, 128}) compare_all(SmallFloatCode{.block = block, .format = format}, block);
}

TEST(Codes, OfPowers) {
  for (const bool stochastic : {false, true})
    for (const std::size_t block : {32, 512}) compare_all(PowerCode{.block = block, .stochastic = stochastic}, block);
}

TEST(Codes, OfHalves) {
  for (const HalfCode& code : {HalfCode{.format = DType::bf16}, HalfCode{.format = DType::f16},
                               HalfCode{.format = DType::bf16, .stochastic = true}})
    compare_all(code, 64);
}

/// Bytes that no encoder wrote, in memory of their exact length: they give values, whatever they are, the same on every
/// instruction set.
template <class Code>
void decode_any_bytes(const Code& code) {
  for (const std::size_t count : {1, 17, 300, 2500}) {
    std::vector<std::byte> bytes(encoded_bytes(code, count));
    for (std::size_t i = 0; i < bytes.size(); ++i)
      bytes[i] = static_cast<std::byte>(random_u64(kCodesSeed, count, i) & 0xffU);
    std::vector<float> first;
    for_each_target([&] {
      std::vector<float> values(count, -1.0F);
      decode(code, bytes, values);
      for (float& x : values) x = one_nan(x);
      if (first.empty()) first = values;
      expect_same_bits("values", values, first);
      decode(code, bytes, values, true);
    });
  }
}

TEST(Codes, OfAnyBytesAreDecoded) {
  using Format = SmallFloatCode::Format;
  for (const int levels : {1, 7, 127}) decode_any_bytes(IntegerCode{.block = 64, .levels = levels});
  decode_any_bytes(SignCode{.block = 32});
  for (const Format format : {Format::e4m3, Format::e5m2})
    decode_any_bytes(SmallFloatCode{.block = 32, .format = format});
  decode_any_bytes(PowerCode{.block = 32});
  for (const DType format : {DType::bf16, DType::f16}) decode_any_bytes(HalfCode{.format = format});
}

TEST(Codes, RefuseSizesThatDoNotFit) {
  std::vector<float> values(100), residual(99);
  std::vector<std::byte> bytes(encoded_bytes(SignCode{}, 100));
  EXPECT_THROW(encode(SignCode{}, values, residual, {}, bytes), InvalidArgument);
  EXPECT_THROW(encode(SignCode{}, values, {}, {}, std::span(bytes).first(16)), InvalidArgument);
  EXPECT_THROW(decode(SignCode{}, std::span(bytes).first(16), values), InvalidArgument);
  EXPECT_THROW(encode(SignCode{.block = 100}, values, {}, {}, bytes), InvalidArgument);
  EXPECT_THROW(encode(IntegerCode{.levels = 0}, values, {}, {}, bytes), InvalidArgument);
  EXPECT_THROW(encode(IntegerCode{.levels = 7, .clip = 2.0}, values, {}, {}, bytes), InvalidArgument);
  EXPECT_THROW(encode(HalfCode{.format = DType::f32}, values, {}, {}, bytes), InvalidArgument);
  EXPECT_THROW(encode(HalfCode{.format = DType::f16, .stochastic = true}, values, {}, {}, bytes), InvalidArgument);
}

}  // namespace
}  // namespace tutti::test
