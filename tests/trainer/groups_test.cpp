// Groups of parameters by name, and the sweeps that buckets fall into.
#include <gtest/gtest.h>

#include <cstddef>
#include <string>
#include <vector>

#include <tutti/kernels/error.hpp>
#include <tutti/trainer/memory/buckets.hpp>
#include <tutti/trainer/optimizers/groups.hpp>

namespace tutti::trainer::test {

namespace {

const std::vector<ParameterInfo> kLayers{
    {"conv1.weight", {40}, 0}, {"conv1.bias", {3}, 0}, {"norm.weight", {20}, 0}, {"norm.bias", {1}, 0}};

TEST(Globs, StarsAndQuestionMarks) {
  for (const auto& [pattern, name] : std::vector<std::pair<std::string, std::string>>{{"*", ""},
                                                                                      {"*", "a"},
                                                                                      {"a*", "a"},
                                                                                      {"*.bias", "conv1.bias"},
                                                                                      {"conv?.*", "conv1.bias"},
                                                                                      {"**s", "bias"},
                                                                                      {"*a*b*", "xxaxaxb"},
                                                                                      {"a*ab", "aaab"},
                                                                                      {"norm.weight", "norm.weight"},
                                                                                      {"*.[w]", "a.[w]"}})
    EXPECT_TRUE(glob_matches(pattern, name)) << pattern << " " << name;
  for (const auto& [pattern, name] : std::vector<std::pair<std::string, std::string>>{{"", "a"},
                                                                                      {"a", ""},
                                                                                      {"?", ""},
                                                                                      {"*.bias", "conv1.bias2"},
                                                                                      {"bias", "conv1.bias"},
                                                                                      {"conv?.*", "conv.bias"},
                                                                                      {"a*ab", "aaba"},
                                                                                      {"*.w", "abw"}})
    EXPECT_FALSE(glob_matches(pattern, name)) << pattern << " " << name;
}

TEST(Groups, TheFirstThatMatchesHolds) {
  const auto settings =
      parameter_settings(kLayers, {.weight_decay = 0.5,
                                   .groups = {{.match = "*.bias", .weight_decay = 0.0},
                                              {.match = "norm.*", .learning_rate_factor = 2.0, .adapt = false}}});
  ASSERT_EQ(settings.size(), 4U);
  EXPECT_EQ(settings[0], (ParameterSettings{1.0, 0.5, true}));
  EXPECT_EQ(settings[1], (ParameterSettings{1.0, 0.0, true}));
  EXPECT_EQ(settings[2], (ParameterSettings{2.0, 0.5, false}));
  EXPECT_EQ(settings[3], (ParameterSettings{1.0, 0.0, true}));  // a bias first
}

TEST(Groups, APatternThatMatchesNothingIsAnError) {
  try {
    parameter_settings(kLayers, {.groups = {{.match = "*"}, {.match = "*.gamma"}}});
    ADD_FAILURE();
  } catch (const InvalidArgument& error) {
    EXPECT_STREQ(error.what(),
                 "optimizer.group 2: match = \"*.gamma\" matches no parameter; there are conv1.weight, conv1.bias, "
                 "norm.weight, norm.bias");
  }
}

/// "offset+count:decay" of each sweep.
std::vector<std::string> texts(const std::vector<Sweep>& sweeps) {
  std::vector<std::string> result;
  result.reserve(sweeps.size());
  for (const Sweep& s : sweeps)
    result.push_back(std::to_string(s.offset) + "+" + std::to_string(s.count) + ":" +
                     std::to_string(static_cast<int>(s.settings.weight_decay)));
  return result;
}

// Memory is in reverse model order, each parameter rounded up to 16 floats: norm.bias 0, norm.weight 16, conv1.bias 48,
// conv1.weight 64, end 112.
TEST(Sweeps, AreRunsOfEqualSettings) {
  using Texts = std::vector<std::string>;
  const BucketPlan one = plan_buckets(kLayers, DType::f32, 1 << 20);
  const auto plan = [&](const BucketPlan& buckets, std::vector<ParameterGroup> groups, std::size_t bucket = 0) {
    return plan_sweeps(buckets, bucket, 0, buckets.buckets[bucket].count,
                       parameter_settings(kLayers, {.weight_decay = 1, .groups = std::move(groups)}));
  };
  EXPECT_EQ(texts(plan(one, {})), (Texts{"0+112:1"}));
  EXPECT_EQ(texts(plan(one, {{.match = "*.bias", .weight_decay = 1.0}})), (Texts{"0+112:1"}));
  EXPECT_EQ(texts(plan(one, {{.match = "*.bias", .weight_decay = 0.0}})),
            (Texts{"0+16:0", "16+32:1", "48+16:0", "64+48:1"}));
  EXPECT_EQ(texts(plan(one, {{.match = "norm*", .weight_decay = 0.0}})), (Texts{"0+48:0", "48+64:1"}));
  const BucketPlan two = plan_buckets(kLayers, DType::f32, 256);
  ASSERT_EQ(two.buckets.size(), 2U);
  EXPECT_EQ(texts(plan(two, {{.match = "*.weight", .weight_decay = 0.0}}, 0)), (Texts{"0+16:1", "16+32:0", "48+16:1"}));
  EXPECT_EQ(texts(plan(two, {{.match = "*.weight", .weight_decay = 0.0}}, 1)), (Texts{"0+48:0"}));
}

TEST(Sweeps, OfAPartOfABucket) {
  const std::vector<ParameterInfo> layers{{"a.weight", {3000}, 0}, {"a.bias", {5}, 0}};  // bias 0, weight 16, end 3024
  const BucketPlan plan = plan_buckets(layers, DType::f32, 1 << 20);
  const auto settings =
      parameter_settings(layers, {.weight_decay = 1, .groups = {{.match = "*.bias", .weight_decay = 0.0}}});
  EXPECT_EQ(texts(plan_sweeps(plan, 0, 0, 1040, settings)), (std::vector<std::string>{"0+16:0", "16+1024:1"}));
  EXPECT_EQ(texts(plan_sweeps(plan, 0, 1040, 3024, settings)), (std::vector<std::string>{"1040+1984:1"}));
  EXPECT_TRUE(plan_sweeps(plan, 0, 1040, 1040, settings).empty());
  const auto pieces = pieces_within(plan, 0, 1040, 3024);
  ASSERT_EQ(pieces.size(), 1U);
  EXPECT_EQ(pieces[0].parameter, 0U);
  EXPECT_EQ(pieces[0].first, 1024U);
  EXPECT_EQ(pieces[0].count, 1976U);
}

}  // namespace

}  // namespace tutti::trainer::test
