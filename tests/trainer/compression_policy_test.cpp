// Which parameters are compressed, and how.
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include <tutti/kernels/error.hpp>
#include <tutti/trainer/exchange/compression_policy.hpp>
#include <tutti/trainer/memory/buckets.hpp>

namespace tutti::trainer::test {

namespace {

const std::vector<ParameterInfo> kNet{
    {"conv1.weight", {8, 3, 3, 3}, 0}, {"conv1.bias", {8}, 0}, {"fc.weight", {100, 50}, 0}, {"fc.bias", {2000}, 0}};

std::vector<std::string> codecs_by(const ExchangeOptions& options) {
  std::vector<std::string> names;
  for (const CodecSettings& settings : compression_of(kNet, options)) names.push_back(to_text(settings));
  return names;
}

using Names = std::vector<std::string>;

TEST(CompressionPolicy, CodecsOfRelativeErrorAreForAll) {
  EXPECT_EQ(codecs_by({.compression = "none"}), (Names{"none", "none", "none", "none"}));
  EXPECT_EQ(codecs_by({.compression = "bf16"}), (Names{"bf16", "bf16", "bf16", "bf16"}));
}

TEST(CompressionPolicy, TheFirstRuleThatHoldsDecides) {
  const auto with = [](std::vector<CompressionRule> rules) {
    return codecs_by({.compression = "bf16", .rules = std::move(rules)});
  };
  EXPECT_EQ(with({{.match = "conv*", .compression = "none"}, {.match = "*.bias", .compression = "f16"}}),
            (Names{"none", "none", "bf16", "f16"}));
  EXPECT_EQ(with({{.min_elements = 5000, .compression = "none"}}), (Names{"bf16", "bf16", "none", "bf16"}));
  EXPECT_EQ(with({{.max_elements = 216, .compression = "none"}}), (Names{"none", "none", "bf16", "bf16"}));
  EXPECT_EQ(with({{.max_dimensions = 1, .compression = "none"}}), (Names{"bf16", "none", "bf16", "none"}));
  EXPECT_EQ(with({{.min_dimensions = 3, .compression = "f16:feedback=on"}}),
            (Names{"f16:feedback=on", "bf16", "bf16", "bf16"}));
  EXPECT_EQ(with({{.first = 1, .compression = "none"}, {.last = 2, .compression = "f16"}}),
            (Names{"none", "bf16", "f16", "f16"}));
}

TEST(CompressionPolicy, ARuleForNoParameterIsAnError) {
  try {
    codecs_by({.rules = {{.compression = "bf16"}, {.match = "fc", .compression = "f16"}}});
    ADD_FAILURE();
  } catch (const InvalidArgument& error) {
    EXPECT_EQ(std::string(error.what()),
              "exchange.rule 2 (match = \"fc\") holds for no parameter; there are conv1.weight, conv1.bias, fc.weight, "
              "fc.bias");
  }
}

TEST(CompressionPolicy, AWholeParameterIsNotCut) {
  const BucketPlan cut = plan_buckets(kNet, DType::f32, 4096);
  const BucketPlan whole = plan_buckets(kNet, DType::f32, 4096, {}, {false, false, true, false});
  const auto pieces = [](const BucketPlan& plan, std::size_t parameter) {
    std::size_t count = 0;
    for (const BucketPlan::Bucket& bucket : plan.buckets)
      for (const BucketPlan::Piece& piece : bucket.pieces) count += piece.parameter == parameter ? 1 : 0;
    return count;
  };
  EXPECT_EQ(pieces(cut, 2), 5U);
  EXPECT_EQ(pieces(whole, 2), 1U);
  EXPECT_EQ(pieces(whole, 3), pieces(cut, 3));
  EXPECT_EQ(whole.count, cut.count);
}

}  // namespace

}  // namespace tutti::trainer::test
