// Codecs that encode block by block, on their own: exact numbers, feedback, what is not finite, settings.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <functional>
#include <limits>
#include <string>
#include <utility>
#include <vector>

#include <tests/compression/block_encoder.hpp>
#include <tutti/compression/block/block_codec.hpp>
#include <tutti/compression/codec_rows.hpp>
#include <tutti/compression/codecs.hpp>
#include <tutti/kernels/error.hpp>
#include <tutti/kernels/philox.hpp>

namespace tutti::test {
namespace {

TEST(Signs, HaveTheErrorOfTheirPaper) {
  BlockEncoder sign("sign");
  EXPECT_EQ(sign({3.0F, -1.0F, 0.5F, -2.0F}), (std::vector<float>{1.625F, -1.625F, 1.625F, -1.625F}));
  EXPECT_EQ(sign.facts().error, 3.6875);
  EXPECT_EQ(sign.facts().values, 14.25);
}

/// Two steps; the bits are those of values below zero, the first the lowest.
TEST(Signs, KeepWhatTheyDoNotSend) {
  BlockEncoder sign("sign");
  const std::vector<float> first = sign({0.5F, -0.1F, 0.0F, -0.2F, 0.3F});
  EXPECT_EQ(byte_at(sign, 4), 0b01010);
  EXPECT_FLOAT_EQ(first[0], 0.22F);
  const float first_residual[] = {0.28F, 0.12F, -0.22F, 0.02F, 0.08F};
  for (std::size_t i = 0; i < 5; ++i) EXPECT_NEAR(sign.residual()[i], first_residual[i], 1e-7F) << i;
  sign({-0.1F, 0.2F, 0.0F, 0.1F, -0.4F});
  EXPECT_EQ(byte_at(sign, 4), 0b10100);
  const float second_residual[] = {-0.052F, 0.088F, 0.012F, -0.112F, -0.088F};
  for (std::size_t i = 0; i < 5; ++i) EXPECT_NEAR(sign.residual()[i], second_residual[i], 1e-7F) << i;
}

/// Karimireddy et al. 2019: x in [-1, 1], slope 4 with probability 1/4 and -1 otherwise, 1/4 on average. Signs alone
/// climb to 1; what they leave out, sent later, leads down to -1.
TEST(Signs, DescendOnlyWithFeedback) {
  const auto descend = [](const std::string& settings) {
    BlockEncoder codec(settings);
    float x = 0.0F;
    for (std::uint64_t step = 0; step < 4000; ++step) {
      const float slope = random_uniform(kBlockSeed, 1, step) < 0.25 ? 4.0F : -1.0F;
      x = std::clamp(x - 0.01F * codec({slope}, step)[0], -1.0F, 1.0F);
    }
    return x;
  };
  EXPECT_GT(descend("vote"), 0.9F);
  EXPECT_LT(descend("sign"), -0.7F);
}

/// The same with two slopes of unlike size, so that one scale serves both and something is held back in every step:
/// both coordinates have to go down.
TEST(Signs, DescendInTwoDimensionsWithFeedback) {
  BlockEncoder codec("sign");
  std::vector<float> x(2), sent(2), slopes(2);
  std::vector<double> slope_sums(2), sent_sums(2);
  for (std::uint64_t step = 0; step < 4000; ++step) {
    slopes[0] = random_uniform(kBlockSeed, 1, step) < 0.25 ? 4.0F : -1.0F;
    slopes[1] = 0.125F;
    sent = codec(slopes, step);
    for (std::size_t i = 0; i < 2; ++i) {
      slope_sums[i] += static_cast<double>(slopes[i]);
      sent_sums[i] += static_cast<double>(sent[i]);
      x[i] = std::clamp(x[i] - 0.01F * sent[i], -1.0F, 1.0F);
    }
  }
  EXPECT_LT(x[0], -0.6F);
  EXPECT_LT(x[1], -0.6F);
  for (std::size_t i = 0; i < 2; ++i)
    EXPECT_NEAR(sent_sums[i] + static_cast<double>(codec.residual()[i]), slope_sums[i], 4000 * 16 * 0x1p-24);
}

TEST(Integers, AreThoseOfTheDefinition) {
  BlockEncoder block8("block8");
  const std::vector<float> values = {0.7F, -0.01F, 0.333F, -0.7F};
  block8(values);
  const int integers[] = {127, 256 - 2, 60, 256 - 127};
  for (std::size_t i = 0; i < 4; ++i) EXPECT_EQ(byte_at(block8, 4 + i), integers[i]) << i;
  const float errors[] = {0.0F, 0.0010236F, 0.0022914F, 0.0F};
  for (std::size_t i = 0; i < 4; ++i) EXPECT_NEAR(block8.residual()[i], errors[i], 1e-7F) << i;

  BlockEncoder block4("block4");
  block4({1.0F, -0.5F, 0.2F, -0.07F, 0.64F, -1.4F});
  const int nibbles[] = {0xe5, 0x01, 0x93};
  for (std::size_t i = 0; i < 3; ++i) EXPECT_EQ(byte_at(block4, 4 + i), nibbles[i]) << i;
}

/// A value of 448, or 57344, makes the scale 1.
TEST(SmallFloats, AreThoseOfTheFormat) {
  const std::pair<float, int> e4m3[] = {{0.1F, 0x1d},   {-17.0F, 0xd8},   {18.0F, 0x59},      {447.0F, 0x7e},
                                        {448.0F, 0x7e}, {0x1p-10F, 0x00}, {0x1.8p-10F, 0x01}, {3e-3F, 0x02}};
  const std::pair<float, int> e5m2[] = {{0.1F, 0x2e},     {-17.0F, 0xcc}, {9.0F, 0x48},
                                        {57344.0F, 0x7b}, {1e-5F, 0x01},  {0x1p-17F, 0x00}};
  const auto compare = [](const std::string& settings, const auto& rows) {
    std::vector<float> values;
    for (const auto& [value, code] : rows) values.push_back(value);
    BlockEncoder codec(settings);
    codec(values);
    EXPECT_EQ(byte_at(codec, 0), 127);
    for (std::size_t i = 0; i < values.size(); ++i)
      EXPECT_EQ(byte_at(codec, 1 + i), std::data(rows)[i].second) << values[i];
  };
  compare("fp8", e4m3);
  compare("fp8:format=e5m2", e5m2);
}

TEST(Casts, AreThoseOfTheFormat) {
  const std::pair<float, int> bf16[] = {
      {1.00390625F, 0x3f80}, {1.01171875F, 0x3f82}, {-0.1F, 0xbdcd}, {3.3961776e38F, 0x7f80}, {1e-40F, 0x0001}};
  const std::pair<float, int> f16[] = {
      {65519.996F, 0x7bff}, {65520.0F, 0x7c00}, {1e-5F, 0x00a8}, {0.1F, 0x2e66}, {-3.14159F, 0xc248}};
  const auto compare = [](const std::string& settings, const auto& rows) {
    BlockEncoder codec(settings);
    for (const auto& [value, code] : rows) {
      codec({value});
      EXPECT_EQ(byte_at(codec, 0) + 256 * byte_at(codec, 1), code) << value;
      EXPECT_EQ(codec.facts().saturated, std::isfinite(value) && (code & 0x7fff) >= 0x7c00 && value > 65504 ? 1U : 0U);
    }
  };
  compare("bf16", bf16);
  compare("f16", f16);
}

/// P(up) of 0.1 as bf16 is 52429 / 65536, the lower half of its bits.
TEST(Casts, RoundUpAsOftenAsIsLeft) {
  BlockEncoder codec("bf16:rounding=stochastic");
  constexpr int kDraws = 20000;
  int ups = 0;
  for (int i = 0; i < kDraws; ++i) ups += codec({0.1F}, static_cast<std::uint64_t>(i))[0] > 0.1F ? 1 : 0;
  const double expected = 52429.0 / 65536.0;
  EXPECT_NEAR(ups, expected * kDraws, 5 * std::sqrt(kDraws * expected * (1 - expected)));
}

TEST(Casts, SaturateWithFeedback) {
  BlockEncoder f16("f16:feedback=on");
  EXPECT_EQ(f16({1e5F, -1e5F, 3.0F, kInfinity}), (std::vector<float>{65504.0F, -65504.0F, 3.0F, kInfinity}));
  EXPECT_EQ(f16.residual(), (std::vector<float>{34496.0F, -34496.0F, 0.0F, 0.0F}));
  EXPECT_EQ(f16.facts().saturated, 2U);
  EXPECT_EQ(f16({0.0F, 0.0F, 0.0F, 0.0F}), (std::vector<float>{34496.0F, -34496.0F, 0.0F, 0.0F}));
  EXPECT_EQ(f16.facts().saturated, 0U);
  BlockEncoder without("f16");
  EXPECT_EQ(without({1e5F, -1e5F, 3.0F}), (std::vector<float>{kInfinity, -kInfinity, 3.0F}));
  EXPECT_EQ(without.facts().saturated, 2U);
  BlockEncoder bf16("bf16:feedback=on");
  const float most = std::numeric_limits<float>::max();
  EXPECT_EQ(bf16({most})[0], 0x1.fep127F);
  EXPECT_EQ(bf16.residual()[0], most - 0x1.fep127F);
  EXPECT_EQ(bf16.facts().saturated, 1U);
}

/// What is sent and what is held back add up to what came. Casts lose nothing at all; others round p - C(p) to f32, by
/// half an ulp of it, which is below 2^-24 of the largest p of the block.
TEST(Feedback, LosesNothing) {
  constexpr std::size_t kCount = 300;
  constexpr int kSteps = 50;
  for (const char* settings : {"bf16:feedback=on", "f16:feedback=on", "fp8", "fp8:format=e5m2", "block8", "block4",
                               "block4:rounding=stochastic", "natural:feedback=on", "sign", "sign:block=32"}) {
    BlockEncoder codec(settings);
    std::vector<double> came(kCount), sent(kCount);
    double largest = 0.0;
    for (int step = 0; step < kSteps; ++step) {
      std::vector<float> values(kCount);
      for (std::size_t i = 0; i < kCount; ++i)
        values[i] = static_cast<float>(
            static_cast<int>(random_u64(kBlockSeed, static_cast<std::uint64_t>(step), i) % 2001) - 1000);
      const std::vector<float> decoded = codec(values, static_cast<std::uint64_t>(step));
      for (std::size_t i = 0; i < kCount; ++i) {
        came[i] += static_cast<double>(values[i]);
        sent[i] += static_cast<double>(decoded[i]);
        largest = std::max(largest, std::abs(static_cast<double>(decoded[i])) + 1000.0);
      }
    }
    const bool is_exact = codec.settings().codec == "bf16" || codec.settings().codec == "f16";
    for (std::size_t i = 0; i < kCount; ++i)
      ASSERT_NEAR(sent[i] + static_cast<double>(codec.residual()[i]), came[i],
                  is_exact ? 0.0 : 2 * kSteps * 0x1p-24 * largest)
          << settings << " [" << i << "], seed " << kBlockSeed;
  }
}

/// A block that has a NaN or an infinity is NaN, its residual stays; all else is as without it.
TEST(NotFinite, StaysInItsBlock) {
  for (const float odd : {kInfinity, -kInfinity, std::nanf("")}) {
    for (const char* settings : {"fp8:block=32", "block8:block=32", "block4:block=32", "natural:block=32,feedback=on",
                                 "sign:block=32", "block4:block=32,rounding=stochastic"}) {
      BlockEncoder codec(settings);
      std::vector<float> values(100);
      for (std::size_t i = 0; i < values.size(); ++i) values[i] = normal_value(1, i);
      codec(values);
      const std::vector<float> before = codec.residual();
      BlockEncoder other(settings);
      other(values);
      const std::vector<float> expected = other(values, 1);
      values[40] = odd;
      const std::vector<float> decoded = codec(values, 1);
      for (std::size_t i = 0; i < values.size(); ++i) {
        const bool is_odd = i / 32 == 1;
        EXPECT_EQ(std::isnan(decoded[i]), is_odd) << settings << i;
        EXPECT_EQ(codec.residual()[i], is_odd ? before[i] : other.residual()[i]) << settings << i;
        if (!is_odd) {
          EXPECT_EQ(decoded[i], expected[i]);
        }
      }
      EXPECT_TRUE(std::isfinite(codec.facts().values) && std::isfinite(codec.facts().error)) << settings;
    }
    for (const char* settings : {"qsgd", "terngrad", "vote"}) {
      const std::vector<float> decoded = BlockEncoder(settings)({1.0F, odd, 0.0F});
      for (const float x : decoded) EXPECT_TRUE(std::isnan(x)) << settings;
    }
  }
}

TEST(Zeros, StayZero) {
  const std::vector<float> zeros(200, 0.0F);
  for (const char* settings : {"bf16", "f16", "fp8", "block8", "block4", "qsgd", "terngrad", "natural", "sign"})
    EXPECT_EQ(BlockEncoder(settings)(zeros), zeros) << settings;
  EXPECT_EQ(BlockEncoder("vote")({0.0F, -0.0F, -1e-45F}), (std::vector<float>{1.0F, 1.0F, -1.0F}));
}

/// Blocks whose largest value is below 2^-100 have no scale; feedback holds them back until they are larger.
TEST(Zeros, AreSentForWhatIsTooSmallForAScale) {
  BlockEncoder codec("block8");
  const std::vector<float> tiny(32, 0x1p-103F);
  for (int step = 0; step < 7; ++step) EXPECT_EQ(codec(tiny), std::vector<float>(32, 0.0F)) << step;
  EXPECT_EQ(codec(tiny)[0], 0x1p-100F);
}

std::string problem_of(const std::function<void()>& action) {
  try {
    action();
  } catch (const InvalidArgument& error) {
    return error.what();
  }
  return "nothing thrown";
}

TEST(Settings, ThatCannotBeAreErrors) {
  const std::pair<const char*, const char*> wrong[] = {
      {"block8:block=100", "block = '100' is no power of two from 32 to 65536"},
      {"block8:block=16", "is no power of two from 32 to 65536"},
      {"block8:block=131072", "is no power of two"},
      {"qsgd:levels=0", "levels = '0' is no number from 1 to 127"},
      {"qsgd:levels=128", "is no number from 1 to 127"},
      {"qsgd:feedback=on", "feedback"},
      {"vote:feedback=on", "feedback"},
      {"fp8:format=e3m4", "e3m4"},
      {"terngrad:clip=-1", "clip = '-1' is no number"},
      {"sign:rounding=stochastic", "rounding"}};
  for (const auto& [settings, problem] : wrong) {
    const std::string message = problem_of([text = settings] { codec_settings(text); });
    EXPECT_NE(message.find(problem), std::string::npos) << settings << ": " << message;
  }
  CodecSettings settings = codec_settings("vote");
  settings.feedback = true;
  EXPECT_NE(problem_of([&] { require_valid(settings); }).find("cannot have feedback"), std::string::npos);
  settings = codec_settings("sign");
  settings.block = 48;
  EXPECT_NE(problem_of([&] { require_valid(settings); }).find("power of two"), std::string::npos);
  settings = codec_settings("bf16");
  settings.rounding = "up";
  EXPECT_NE(problem_of([&] { require_valid(settings); }).find("rounding"), std::string::npos);
}

TEST(Rows, StateTheBitsOnTheWire) {
  for (const Codec* codec : detail::block_codecs()) {
    for (const std::size_t count : {1, 7, 100, 1024, 5000}) {
      const CodecSettings settings = codec_settings(codec->name);
      const auto bytes = static_cast<double>(detail::make_block_codec(settings)->encoded_bytes(count));
      const double stated = codec->bits(settings, count, 4) * static_cast<double>(count) / 8;
      EXPECT_NEAR(bytes, stated, 1.0) << codec->name << ' ' << count;  // whole bytes
    }
  }
}

}  // namespace
}  // namespace tutti::test
