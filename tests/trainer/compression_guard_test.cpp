// When a codec is found not to do for a parameter, and what takes its place.
#include <gtest/gtest.h>

#include <cmath>
#include <string>
#include <vector>

#include <tutti/trainer/exchange/compression_guard.hpp>

namespace tutti::trainer::test {

namespace {

const std::vector<ParameterInfo> kParameters{{"a", {100}, 0}, {"b", {100}, 0}};
constexpr CompressionMeasure kGood{
    .values = 100, .held_back = 1, .gradient = 100, .product = 99, .came = 98, .sum = 100, .difference = 1};

class GuardTest : public testing::Test {
 protected:
  std::vector<CompressionCheck> judge(const CompressionMeasure& of_a) {
    return guard_.judge(std::vector<CompressionMeasure>{of_a, kGood}, codecs_);
  }
  std::string codec_of_a() const { return to_text(codecs_[0]); }

  ExchangeOptions options_{.guard_every = 10, .guard_residual = 5.0};
  CompressionGuard guard_{options_, kParameters};
  std::vector<CodecSettings> codecs_{codec_settings("f16:feedback=on"), codec_settings("none")};
};

TEST_F(GuardTest, TellsWhatItMeasures) {
  const auto checks = judge(kGood);
  ASSERT_EQ(checks.size(), 1U);  // b travels as it is
  EXPECT_EQ(checks[0].parameter, 0U);
  EXPECT_EQ(checks[0].codec, "f16:feedback=on");
  EXPECT_DOUBLE_EQ(*checks[0].contraction, 0.99);
  EXPECT_DOUBLE_EQ(*checks[0].residual, 0.1);
  EXPECT_NEAR(*checks[0].cosine, 99 / std::sqrt(9800), 1e-12);
  EXPECT_DOUBLE_EQ(*checks[0].error, 0.1);
  EXPECT_EQ(checks[0].problem + checks[0].remedy, "");
  EXPECT_FALSE(judge({.values = 1, .gradient = 1})[0].cosine);  // of a bucket that is not compared
}

TEST_F(GuardTest, TwoFailuresInARowReplaceACodec) {
  struct Wrong {
    CompressionMeasure measure;
    std::string problem;
  };
  const std::vector<Wrong> all = {
      {{.values = 4, .held_back = 4, .gradient = 4}, "sends nothing of use"},
      {{.values = 101, .held_back = 100, .gradient = 3}, "5.77 times the norm of the gradient, more than 5"},
      {{.values = 4, .held_back = 1, .gradient = 4, .product = -1, .came = 4, .sum = 1, .difference = 7},
       "cosine -0.5"},
      {{.values = 4, .held_back = 1, .saturated = 0.01, .gradient = 4}, "0.01 of the values are out of"}};
  for (const Wrong& wrong : all) {
    codecs_[0] = codec_settings("f16:feedback=on");
    EXPECT_NE(judge(wrong.measure)[0].problem.find(wrong.problem), std::string::npos) << judge(kGood)[0].problem;
    judge(kGood);
    judge(wrong.measure);
    EXPECT_EQ(codec_of_a(), "f16:feedback=on") << wrong.problem;
    const auto checks = judge(wrong.measure);
    EXPECT_EQ(checks[0].remedy, "bf16") << wrong.problem;
    EXPECT_EQ(codec_of_a(), "bf16");
  }
}

TEST_F(GuardTest, TheFallbackIsReplacedByNone) {
  codecs_[0] = codec_settings("bf16");
  const CompressionMeasure wrong{.product = -1, .came = 1, .sum = 1};
  judge(wrong);
  EXPECT_EQ(judge(wrong)[0].remedy, "none");
  EXPECT_TRUE(judge(wrong).empty());
}

TEST_F(GuardTest, IsDueNowAndThenAndComparesOneBucketAfterAnother) {
  EXPECT_TRUE(guard_.is_due(0) && guard_.is_due(20));
  EXPECT_FALSE(guard_.is_due(5));
  EXPECT_EQ(guard_.place(0, 3), 0U);
  EXPECT_EQ(guard_.place(10, 3), 1U);
  EXPECT_EQ(guard_.place(30, 3), 0U);
  const CompressionGuard never({.guard_every = 0}, kParameters);
  EXPECT_FALSE(never.is_due(0));
}

}  // namespace

}  // namespace tutti::trainer::test
