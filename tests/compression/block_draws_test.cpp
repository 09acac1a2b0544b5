// Block codecs under many draws and on many distributions: unbiasedness, variances, contraction.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include <tests/compression/block_encoder.hpp>
#include <tutti/kernels/philox.hpp>

namespace tutti::test {
namespace {

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
  BlockEncoder codec(settings);
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
    EXPECT_NEAR(result.means[i], static_cast<double>(values[i]), bound) << i << ", seed " << kBlockSeed;
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
  BlockEncoder codec("block8:rounding=stochastic,feedback=off");
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
  BlockEncoder codec("block8:rounding=stochastic,feedback=off");
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
  BlockEncoder codec("terngrad:clip=1");
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
         return std::ldexp(normal_value(3, i), static_cast<int>(random_u64(kBlockSeed, 4, i) % 120) - 60);
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
      BlockEncoder codec(settings);
      codec(values);
      EXPECT_LE(codec.facts().error, bound * codec.facts().values * (1 + 1e-6)) << settings << " on " << name;
    }
  }
  std::vector<float> values(kCount);
  for (std::size_t i = 0; i < kCount; ++i) values[i] = normal_value(1, i);
  BlockEncoder sign("sign");
  sign(values);
  EXPECT_NEAR(1 - sign.facts().error / sign.facts().values, 2 / 3.14159265, 0.02);  // of normal values
  BlockEncoder block4("block4");
  block4(values);
  EXPECT_NEAR(block4.facts().error / block4.facts().values, 0.0138, 0.001);
}

}  // namespace
}  // namespace tutti::test
