// Codecs that encode block by block, on their own: exact numbers, unbiasedness, contraction, feedback, what is not
// finite, settings.
#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>
#include <functional>
#include <limits>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <tutti/compression/block/block_codec.hpp>
#include <tutti/compression/codec_rows.hpp>
#include <tutti/compression/codecs.hpp>
#include <tutti/kernels/error.hpp>
#include <tutti/kernels/philox.hpp>

namespace tutti {
namespace {

constexpr std::uint64_t kSeed = 20261130;
const float kInfinity = std::numeric_limits<float>::infinity();

/// A codec, and what its last encoding did.
class Encoder {
 public:
  explicit Encoder(const std::string& settings)
      : settings_(codec_settings(settings)), codec_(detail::make_block_codec(settings_)) {}

  /// Encodes and decodes; draws are those of a step and a contributor.
  std::vector<float> operator()(const std::vector<float>& values, std::uint64_t step = 0,
                                std::uint64_t contributor = 0) {
    if (settings_.feedback) residual_.resize(values.size());
    bytes_.assign(codec_->encoded_bytes(values.size()), std::byte{0xFF});
    const Draw draw = {.seed = kSeed, .stream = detail::draw_stream(step, 3, contributor)};
    facts_ = codec_->encode(values, residual_, draw, bytes_);
    std::vector<float> decoded(values.size(), -1.0F);
    codec_->decode(bytes_, decoded);
    return decoded;
  }

  const CodecSettings& settings() const { return settings_; }
  const std::vector<std::byte>& bytes() const { return bytes_; }
  std::vector<float>& residual() { return residual_; }
  const CompressionFacts& facts() const { return facts_; }

 private:
  CodecSettings settings_;
  std::unique_ptr<const detail::BlockCodec> codec_;
  std::vector<std::byte> bytes_;
  std::vector<float> residual_;
  CompressionFacts facts_;
};

int byte_at(const Encoder& encoder, std::size_t i) { return std::to_integer<int>(encoder.bytes().at(i)); }

float normal_value(std::uint64_t stream, std::size_t i) {
  const double u = 1.0 - random_uniform(kSeed, stream, 2 * i);
  return static_cast<float>(std::sqrt(-2 * std::log(u)) *
                            std::cos(6.283185307179586 * random_uniform(kSeed, stream, 2 * i + 1)));
}

TEST(Signs, HaveTheErrorOfTheirPaper) {
  Encoder sign("sign");
  EXPECT_EQ(sign({3.0F, -1.0F, 0.5F, -2.0F}), (std::vector<float>{1.625F, -1.625F, 1.625F, -1.625F}));
  EXPECT_EQ(sign.facts().error, 3.6875);
  EXPECT_EQ(sign.facts().values, 14.25);
}

/// Two steps; the bits are those of values below zero, the first the lowest.
TEST(Signs, KeepWhatTheyDoNotSend) {
  Encoder sign("sign");
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
    Encoder codec(settings);
    float x = 0.0F;
    for (std::uint64_t step = 0; step < 4000; ++step) {
      const float slope = random_uniform(kSeed, 1, step) < 0.25 ? 4.0F : -1.0F;
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
  Encoder codec("sign");
  std::vector<float> x(2), sent(2), slopes(2);
  std::vector<double> slope_sums(2), sent_sums(2);
  for (std::uint64_t step = 0; step < 4000; ++step) {
    slopes[0] = random_uniform(kSeed, 1, step) < 0.25 ? 4.0F : -1.0F;
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
  Encoder block8("block8");
  const std::vector<float> values = {0.7F, -0.01F, 0.333F, -0.7F};
  block8(values);
  const int integers[] = {127, 256 - 2, 60, 256 - 127};
  for (std::size_t i = 0; i < 4; ++i) EXPECT_EQ(byte_at(block8, 4 + i), integers[i]) << i;
  const float errors[] = {0.0F, 0.0010236F, 0.0022914F, 0.0F};
  for (std::size_t i = 0; i < 4; ++i) EXPECT_NEAR(block8.residual()[i], errors[i], 1e-7F) << i;

  Encoder block4("block4");
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
    Encoder codec(settings);
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
    Encoder codec(settings);
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
  Encoder codec("bf16:rounding=stochastic");
  constexpr int kDraws = 20000;
  int ups = 0;
  for (int i = 0; i < kDraws; ++i) ups += codec({0.1F}, static_cast<std::uint64_t>(i))[0] > 0.1F ? 1 : 0;
  const double expected = 52429.0 / 65536.0;
  EXPECT_NEAR(ups, expected * kDraws, 5 * std::sqrt(kDraws * expected * (1 - expected)));
}

TEST(Casts, SaturateWithFeedback) {
  Encoder f16("f16:feedback=on");
  EXPECT_EQ(f16({1e5F, -1e5F, 3.0F, kInfinity}), (std::vector<float>{65504.0F, -65504.0F, 3.0F, kInfinity}));
  EXPECT_EQ(f16.residual(), (std::vector<float>{34496.0F, -34496.0F, 0.0F, 0.0F}));
  EXPECT_EQ(f16.facts().saturated, 2U);
  EXPECT_EQ(f16({0.0F, 0.0F, 0.0F, 0.0F}), (std::vector<float>{34496.0F, -34496.0F, 0.0F, 0.0F}));
  EXPECT_EQ(f16.facts().saturated, 0U);
  Encoder without("f16");
  EXPECT_EQ(without({1e5F, -1e5F, 3.0F}), (std::vector<float>{kInfinity, -kInfinity, 3.0F}));
  EXPECT_EQ(without.facts().saturated, 2U);
  Encoder bf16("bf16:feedback=on");
  const float most = std::numeric_limits<float>::max();
  EXPECT_EQ(bf16({most})[0], 0x1.fep127F);
  EXPECT_EQ(bf16.residual()[0], most - 0x1.fep127F);
  EXPECT_EQ(bf16.facts().saturated, 1U);
}

/// Means of many draws. By the empirical Bernstein bound (Maurer and Pontil, arXiv:0907.3740) the mean of n draws that
/// lie within a range M of each other, of sample variance v, errs by more than sqrt(2 v t / n) + 3 M t / n only with
/// probability 3 exp(-t): once in 10^9 for t = 21.8. Draws of 16 bits add 2^-17 of a step, at most M.
struct Moments {
  std::vector<double> means, variances;
  double error = 0.0;  ///< mean of the sum of squares
};
constexpr int kDraws = 12000;

Moments expect_unbiased(const std::string& settings, const std::vector<float>& values) {
  SCOPED_TRACE(settings);
  Encoder codec(settings);
  Moments result{.means = std::vector<double>(values.size()), .variances = std::vector<double>(values.size())};
  std::vector<float> lowest(values.size(), kInfinity), highest(values.size(), -kInfinity);
  for (int draw = 0; draw < kDraws; ++draw) {
    const auto number = static_cast<std::uint64_t>(draw);
    const std::vector<float> decoded = codec(values, number / 8, number % 8);
    result.error += codec.facts().error / kDraws;
    for (std::size_t i = 0; i < values.size(); ++i) {
      const double error = static_cast<double>(decoded[i]) - static_cast<double>(values[i]);
      result.means[i] += static_cast<double>(decoded[i]) / kDraws;
      result.variances[i] += error * error / kDraws;
      lowest[i] = std::min(lowest[i], decoded[i]);
      highest[i] = std::max(highest[i], decoded[i]);
    }
  }
  for (std::size_t i = 0; i < values.size(); ++i) {
    const double range = static_cast<double>(highest[i]) - static_cast<double>(lowest[i]);
    const double bound = std::sqrt(2 * result.variances[i] * 21.8 / kDraws) + range * (3 * 21.8 / kDraws + 0x1p-17) +
                         1e-6 * std::abs(static_cast<double>(values[i]));  // scales are rounded to f32
    EXPECT_NEAR(result.means[i], static_cast<double>(values[i]), bound) << i << ", seed " << kSeed;
  }
  return result;
}

TEST(Draws, OfQsgdHaveTheVarianceOfThePaper) {
  const Moments moments = expect_unbiased("qsgd:levels=2", {3.0F, 4.0F});
  EXPECT_NEAR(moments.error, 2.5, 0.15);
}

TEST(Draws, OfTerngradHaveTheVarianceOfThePaper) {
  const Moments moments = expect_unbiased("terngrad", {3.0F, -1.0F, 0.5F, -2.0F});
  EXPECT_NEAR(moments.error, 5.25, 0.15);
}

/// The worst is 4/3 of a power of two. The sample variance of kDraws draws of two values errs by less than a tenth.
TEST(Draws, OfNaturalHaveAVarianceOfAtMostAnEighth) {
  std::vector<float> values;
  for (int i = 0; i < 64; ++i) values.push_back(std::ldexp(1.0F + static_cast<float>(i) / 64, i % 20 - 10));
  values.push_back(4.0F / 3);
  const Moments moments = expect_unbiased("natural", values);
  for (std::size_t i = 0; i < values.size(); ++i) {
    const auto x = static_cast<double>(values[i]);
    EXPECT_LE(moments.variances[i], 1.1 * x * x / 8) << x;
  }
  EXPECT_NEAR(moments.variances.back(), 2.0 / 9, 0.02);
  EXPECT_EQ(moments.variances.front(), 0.0);  // powers stay
}

/// Fractions of a level of 0, 2^-12, 1/2 and 1 - 2^-12, whole levels, and normal values.
TEST(Draws, AreUnbiased) {
  std::vector<float> values = {127.0F, 5.0F, 5.0F + 0x1p-12F, -5.5F, 6.0F - 0x1p-12F, 0.0F, 126.5F, -127.0F};
  for (std::size_t i = 0; i < 40; ++i) values.push_back(normal_value(2, i) * 20.0F);
  for (const char* settings :
       {"block8:rounding=stochastic,feedback=off", "block4:rounding=stochastic,feedback=off", "qsgd", "qsgd:levels=7",
        "qsgd:levels=1", "terngrad:clip=0", "natural", "bf16:rounding=stochastic"})
    expect_unbiased(settings, values);
}

TEST(Draws, LeaveWholeLevelsAlone) {
  Encoder codec("block8:rounding=stochastic,feedback=off");
  std::vector<float> values;
  for (int i = -127; i <= 127; ++i) values.push_back(static_cast<float>(i));
  values.resize(128);
  for (std::uint64_t step = 0; step < 500; ++step) ASSERT_EQ(codec(values, step), values) << step;
}

/// Independent draws err by 1/6 of a squared step each, so the mean of 8 contributors by 1/48; draws in common would
/// leave 1/6.
TEST(Draws, OfContributorsAreIndependent) {
  constexpr std::size_t kContributors = 8;
  std::vector<float> values(1024);
  for (std::size_t i = 0; i < values.size(); ++i) values[i] = normal_value(5, i);
  for (std::size_t i = 0; i < values.size(); i += 128) values[i] = 127.0F;  // steps of 1
  Encoder codec("block8:rounding=stochastic,feedback=off");
  std::vector<double> means(values.size());
  for (std::size_t contributor = 0; contributor < kContributors; ++contributor) {
    const std::vector<float> decoded = codec(values, 9, contributor);
    for (std::size_t i = 0; i < values.size(); ++i) means[i] += static_cast<double>(decoded[i]) / kContributors;
  }
  double error = 0.0;
  for (std::size_t i = 0; i < values.size(); ++i)
    error += std::pow(means[i] - static_cast<double>(values[i]), 2) / static_cast<double>(values.size());
  EXPECT_LT(error, 0.03);
  EXPECT_GT(error, 0.01);
}

/// What is clipped counts, and is all that is biased.
TEST(Draws, OfTerngradClip) {
  Encoder codec("terngrad:clip=1");
  const std::vector<float> decoded = codec({4.0F, 0.0F, 0.0F, 0.0F});  // root mean square 2
  EXPECT_EQ(decoded, (std::vector<float>{2.0F, 0.0F, 0.0F, 0.0F}));
  EXPECT_EQ(codec.facts().saturated, 1U);
}

/// Contractions on several distributions, each bound by what the row of the codec states.
TEST(Contraction, IsAsStated) {
  constexpr std::size_t kCount = 4096;
  const std::pair<const char*, std::function<float(std::size_t)>> inputs[] = {
      {"normal", [](std::size_t i) { return normal_value(1, i); }},
      {"Laplace", [](std::size_t i) { return normal_value(1, i) * std::abs(normal_value(2, i)); }},
      {"spike", [](std::size_t i) { return i % 1024 == 7 ? 100.0F : 1e-3F; }},
      {"alternating", [](std::size_t i) { return i % 2 == 0 ? 1.0F : -1.0F; }},
      {"constant", [](std::size_t) { return 0.3F; }},
      {"worst of integers", [](std::size_t i) { return i % 128 == 0 ? 7.0F : 0.4999F; }},
      {"all exponents", [](std::size_t i) {
         return std::ldexp(normal_value(3, i), static_cast<int>(random_u64(kSeed, 4, i) % 120) - 60);
       }}};
  // 1 - delta; what fp8 has beyond 2^-8, or 2^-6, is the absolute part of its bound: 2^-17 of the largest for each.
  const std::pair<const char*, double> bounds[] = {{"bf16:feedback=on", 0x1p-16},
                                                   {"fp8", 0x1p-8 + 128 * 0x1p-34},
                                                   {"fp8:format=e5m2", 0x1p-6 + 128 * 0x1p-62},
                                                   {"block8", 127.0 / (254 * 254 + 127)},
                                                   {"block4", 127.0 / (14 * 14 + 127)},
                                                   {"block4:block=32", 31.0 / (14 * 14 + 31)},
                                                   {"natural:rounding=nearest", 1.0 / 9},
                                                   {"sign", 1.0 - 1.0 / 1024}};
  for (const auto& [settings, bound] : bounds) {
    for (const auto& [name, value_of] : inputs) {
      std::vector<float> values(kCount);
      for (std::size_t i = 0; i < kCount; ++i) values[i] = value_of(i);
      Encoder codec(settings);
      codec(values);
      EXPECT_LE(codec.facts().error, bound * codec.facts().values * (1 + 1e-6)) << settings << " on " << name;
    }
  }
  std::vector<float> values(kCount);
  for (std::size_t i = 0; i < kCount; ++i) values[i] = normal_value(1, i);
  Encoder sign("sign");
  sign(values);
  EXPECT_NEAR(1 - sign.facts().error / sign.facts().values, 2 / 3.14159265, 0.02);  // of normal values
  Encoder block4("block4");
  block4(values);
  EXPECT_NEAR(block4.facts().error / block4.facts().values, 0.0138, 0.001);
}

/// What is sent and what is held back add up to what came. Casts lose nothing at all; others round p - C(p) to f32, by
/// half an ulp of it, which is below 2^-24 of the largest p of the block.
TEST(Feedback, LosesNothing) {
  constexpr std::size_t kCount = 300;
  constexpr int kSteps = 50;
  for (const char* settings : {"bf16:feedback=on", "f16:feedback=on", "fp8", "fp8:format=e5m2", "block8", "block4",
                               "block4:rounding=stochastic", "natural:feedback=on", "sign", "sign:block=32"}) {
    Encoder codec(settings);
    std::vector<double> came(kCount), sent(kCount);
    double largest = 0.0;
    for (int step = 0; step < kSteps; ++step) {
      std::vector<float> values(kCount);
      for (std::size_t i = 0; i < kCount; ++i)
        values[i] =
            static_cast<float>(static_cast<int>(random_u64(kSeed, static_cast<std::uint64_t>(step), i) % 2001) - 1000);
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
          << settings << " [" << i << "], seed " << kSeed;
  }
}

/// A block that has a NaN or an infinity is NaN, its residual stays; all else is as without it.
TEST(NotFinite, StaysInItsBlock) {
  for (const float odd : {kInfinity, -kInfinity, std::nanf("")}) {
    for (const char* settings : {"fp8:block=32", "block8:block=32", "block4:block=32", "natural:block=32,feedback=on",
                                 "sign:block=32", "block4:block=32,rounding=stochastic"}) {
      Encoder codec(settings);
      std::vector<float> values(100);
      for (std::size_t i = 0; i < values.size(); ++i) values[i] = normal_value(1, i);
      codec(values);
      const std::vector<float> before = codec.residual();
      Encoder other(settings);
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
      const std::vector<float> decoded = Encoder(settings)({1.0F, odd, 0.0F});
      for (const float x : decoded) EXPECT_TRUE(std::isnan(x)) << settings;
    }
  }
}

TEST(Zeros, StayZero) {
  const std::vector<float> zeros(200, 0.0F);
  for (const char* settings : {"bf16", "f16", "fp8", "block8", "block4", "qsgd", "terngrad", "natural", "sign"})
    EXPECT_EQ(Encoder(settings)(zeros), zeros) << settings;
  EXPECT_EQ(Encoder("vote")({0.0F, -0.0F, -1e-45F}), (std::vector<float>{1.0F, 1.0F, -1.0F}));
}

/// Blocks whose largest value is below 2^-100 have no scale; feedback holds them back until they are larger.
TEST(Zeros, AreSentForWhatIsTooSmallForAScale) {
  Encoder codec("block8");
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
}  // namespace tutti
